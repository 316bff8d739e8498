package classifier

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const licensePack = `
pack: license
rules:
  - id: license-server
    order: 4200
    any: ['could not reach license server (?P<host>\S+)']
    class: dependency.unavailable
    yields_to: [memory.container]
    summary: "the license server {host} is down"
    mode: shadow
    sample: ERROR could not reach license server lic-3
    near_miss: [INFO reached license server lic-3]
  - {id: license-count, order: 4210, any: [out of licenses], class: quota.exceeded, summary: no license is free, mode: shadow}
`

// TestALifeOfARule goes through applies, a change by hand, a rollback and an
// export over the API.
func TestALifeOfARule(t *testing.T) {
	w := newWorld(t)
	_, c := w.service(Options{})
	ctx := t.Context()
	apply := func(yaml string, prune, check bool) (did []string, unchanged int32) {
		t.Helper()
		r, err := c.ApplyRules(ctx, &redrivev1.ApplyRulesRequest{Yaml: yaml, Prune: prune, ValidateOnly: check, Author: "ann", Reason: "audit"})
		if err != nil {
			t.Fatal(err)
		}
		for _, rev := range r.GetRevisions() {
			did = append(did, strings.TrimPrefix(rev.GetName(), "rules/")+" "+strings.TrimPrefix(rev.GetAction().String(), "ACTION_")+" "+strings.Join(rev.GetChanges(), ", "))
		}
		return did, r.GetUnchanged()
	}
	want := []string{"license-server/revisions/1 APPLY ", "license-count/revisions/1 APPLY "}
	for _, check := range []bool{true, false} {
		if did, _ := apply(licensePack, false, check); !slices.Equal(did, want) {
			t.Errorf("ApplyRules (validate_only %v) = %q, want %q", check, did, want)
		}
	}
	if did, unchanged := apply(licensePack, true, false); len(did) != 0 || unchanged != 2 {
		t.Errorf("ApplyRules again = %q, %d unchanged", did, unchanged)
	}
	r, err := c.GetRule(ctx, &redrivev1.GetRuleRequest{Name: "rules/license-server"})
	if err != nil || r.GetPack() != "license" || r.GetAuthor() != "ann" || len(r.GetNearMisses()) != 1 || len(r.GetYieldsTo()) != 1 {
		t.Errorf("GetRule = %v, %v", r, err)
	}
	moved, err := c.UpdateRule(ctx, &redrivev1.UpdateRuleRequest{
		Rule: &redrivev1.Rule{Name: r.GetName(), Order: 4300, Etag: r.GetEtag(), Pack: "mine", Author: "eve"}, Author: "bob", Reason: "too early",
	})
	if err != nil || moved.GetPack() != "license" || moved.GetAuthor() != "bob" || moved.GetEtag() == r.GetEtag() {
		t.Errorf("UpdateRule = %v, %v", moved, err)
	}
	if d, err := c.DiffRule(ctx, &redrivev1.DiffRuleRequest{Name: r.GetName()}); err != nil || !slices.Equal(d.GetChanges(), []string{"order: 4200 → 4300"}) || d.GetBefore().GetRevision() != 1 || d.GetAfter().GetRevision() != 2 {
		t.Errorf("DiffRule = %v, %v", d, err)
	}
	back := &redrivev1.RollbackRuleRequest{Name: r.GetName(), Etag: r.GetEtag(), Author: "ann"}
	if _, err := c.RollbackRule(ctx, back); kind(err) != errs.Conflict {
		t.Errorf("RollbackRule with an old etag = %v, want Conflict", err)
	}
	back.Etag = moved.GetEtag()
	for _, check := range []bool{true, false} {
		back.ValidateOnly = check
		if r, err := c.RollbackRule(ctx, back); err != nil || r.GetOrder() != 4200 || r.GetRevision() != 3 {
			t.Errorf("RollbackRule (validate_only %v) = %v, %v", check, r, err)
		}
	}
	out, err := c.ExportRules(ctx, &redrivev1.ExportRulesRequest{})
	if err != nil || out.GetCount() != 2 || !strings.HasPrefix(out.GetYaml(), "pack: license\nrules:\n  - id: license-server\n") {
		t.Errorf("ExportRules = %v, %v", out, err)
	}
	if did, unchanged := apply(out.GetYaml(), true, false); len(did) != 0 || unchanged != 2 {
		t.Errorf("ApplyRules of an export = %q, %d unchanged", did, unchanged)
	}
	less := licensePack[:strings.Index(licensePack, "  - {id: license-count")]
	if did, _ := apply(less, true, false); !slices.Equal(did, []string{"license-count/revisions/2 DELETE "}) {
		t.Errorf("ApplyRules with prune = %q", did)
	}
	if r, err := c.RollbackRule(ctx, &redrivev1.RollbackRuleRequest{Name: "rules/license-count"}); err != nil || r.GetRevision() != 3 {
		t.Errorf("RollbackRule of a deletion = %v, %v", r, err)
	}
	var trail []string
	for token := ""; ; {
		page, err := c.ListRuleRevisions(ctx, &redrivev1.ListRuleRevisionsRequest{Parent: "rules/-", PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, rev := range page.GetRevisions() {
			one, err := c.GetRuleRevision(ctx, &redrivev1.GetRuleRevisionRequest{Name: rev.GetName()})
			if err != nil || !proto.Equal(one, rev) || rev.GetCreateTime() == nil || rev.GetRule() == nil {
				t.Errorf("GetRuleRevision = %v, %v, want %v", one, err, rev)
			}
			trail = append(trail, strings.TrimPrefix(rev.GetName(), "rules/license-")+" "+rev.GetAuthor()+" "+rev.GetReason())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if want := []string{
		"count/revisions/3  ", "count/revisions/2 ann audit", "server/revisions/3 ann ", "server/revisions/2 bob too early", "server/revisions/1 ann audit", "count/revisions/1 ann audit",
	}; !slices.Equal(trail, want) {
		t.Errorf("the audit trail is %q\nwant %q", trail, want)
	}
}

func TestBuiltInRulesAreExportedAndOverriddenByAPack(t *testing.T) {
	w := newWorld(t)
	s, c := w.service(Options{})
	ctx := t.Context()
	first := s.book.Set().Rules()[0].Rule
	all, err := c.ExportRules(ctx, &redrivev1.ExportRulesRequest{BuiltIn: true})
	if err != nil || int(all.GetCount()) != len(s.book.Set().Rules()) {
		t.Fatalf("ExportRules = %d rules, %v", all.GetCount(), err)
	}
	r, err := c.ApplyRules(ctx, &redrivev1.ApplyRulesRequest{Yaml: all.GetYaml(), Prune: true})
	if err != nil || len(r.GetRevisions()) != 0 || r.GetUnchanged() != all.GetCount() {
		t.Errorf("ApplyRules of all built-in rules = %v, %v", r.GetRevisions(), err)
	}
	of, err := c.ExportRules(ctx, &redrivev1.ExportRulesRequest{Pack: first.Pack, BuiltIn: true})
	if err != nil || !strings.HasPrefix(of.GetYaml(), "pack: "+first.Pack+"\n") {
		t.Fatalf("ExportRules of a pack = %v, %v", of, err)
	}
	mine := strings.Replace(strings.Replace(of.GetYaml(), "summary: ", "mode: shadow\n    summary: ", 1), "pack: "+first.Pack, "pack: mine", 1)
	cut := strings.Index(mine[20:], "\n  - id: ")
	if cut > 0 {
		mine = mine[:20+cut+1]
	}
	r, err = c.ApplyRules(ctx, &redrivev1.ApplyRulesRequest{Yaml: mine})
	if err != nil || len(r.GetRevisions()) != 1 || !r.GetRevisions()[0].GetRule().GetOverridden() {
		t.Fatalf("ApplyRules of an override = %v, %v", r, err)
	}
	name := r.GetRevisions()[0].GetRule().GetName()
	if d, err := c.DiffRule(ctx, &redrivev1.DiffRuleRequest{Name: name}); err != nil || !slices.Equal(d.GetChanges(), []string{"mode: enforce → shadow", "pack: " + first.Pack + " → mine"}) || d.GetBefore().GetOverridden() {
		t.Errorf("DiffRule = %q, %v", d.GetChanges(), err)
	}
	if own, err := c.ExportRules(ctx, &redrivev1.ExportRulesRequest{}); err != nil || own.GetCount() != 1 {
		t.Errorf("ExportRules without the built-in ones = %v, %v", own, err)
	}
	if _, err := c.DeleteRule(ctx, &redrivev1.DeleteRuleRequest{Name: name, Author: "ann"}); err != nil {
		t.Error(err)
	}
	if own, err := c.ExportRules(ctx, &redrivev1.ExportRulesRequest{}); err != nil || own.GetCount() != 0 || own.GetYaml() != "" {
		t.Errorf("ExportRules of nothing = %v, %v", own, err)
	}
}

func TestBadRequestsOfTheLifecycle(t *testing.T) {
	w := newWorld(t)
	s, c := w.service(Options{})
	ctx := t.Context()
	first := "rules/" + s.book.Set().Rules()[0].Rule.ID
	for name, tc := range map[string]struct {
		call func() error
		want errs.Kind
	}{
		"revisions of no name": {func() error {
			_, err := c.ListRuleRevisions(ctx, &redrivev1.ListRuleRevisionsRequest{Parent: "rules/"})
			return err
		}, errs.Invalid},
		"revisions of less than nothing": {func() error {
			_, err := c.ListRuleRevisions(ctx, &redrivev1.ListRuleRevisionsRequest{Parent: "rules/-", PageSize: -1})
			return err
		}, errs.Invalid},
		"a revision without a number": {func() error {
			_, err := c.GetRuleRevision(ctx, &redrivev1.GetRuleRevisionRequest{Name: "rules/x/revisions/"})
			return err
		}, errs.Invalid},
		"a revision with a sign": {func() error {
			_, err := c.GetRuleRevision(ctx, &redrivev1.GetRuleRevisionRequest{Name: "rules/x/revisions/+1"})
			return err
		}, errs.Invalid},
		"no such revision": {func() error {
			_, err := c.GetRuleRevision(ctx, &redrivev1.GetRuleRevisionRequest{Name: "rules/x/revisions/1"})
			return err
		}, errs.NotFound},
		"rollback of no name": {func() error { _, err := c.RollbackRule(ctx, &redrivev1.RollbackRuleRequest{}); return err }, errs.Invalid},
		"rollback of nothing": {func() error {
			_, err := c.RollbackRule(ctx, &redrivev1.RollbackRuleRequest{Name: "rules/x"})
			return err
		}, errs.NotFound},
		"rollback of a built-in rule": {func() error {
			_, err := c.RollbackRule(ctx, &redrivev1.RollbackRuleRequest{Name: first})
			return err
		}, errs.FailedPrecondition},
		"diff of no name":  {func() error { _, err := c.DiffRule(ctx, &redrivev1.DiffRuleRequest{}); return err }, errs.Invalid},
		"diff of nothing":  {func() error { _, err := c.DiffRule(ctx, &redrivev1.DiffRuleRequest{Name: "rules/x"}); return err }, errs.NotFound},
		"apply of nothing": {func() error { _, err := c.ApplyRules(ctx, &redrivev1.ApplyRulesRequest{}); return err }, errs.Invalid},
		"apply of an unknown key": {func() error {
			_, err := c.ApplyRules(ctx, &redrivev1.ApplyRulesRequest{Yaml: strings.Replace(licensePack, "order: 4200", "ordre: 4200", 1)})
			if !strings.Contains(err.Error(), "license-server.ordre") {
				t.Errorf("ApplyRules = %v, want rule and field named", err)
			}
			return err
		}, errs.Invalid},
		"apply by a long name": {func() error {
			_, err := c.ApplyRules(ctx, &redrivev1.ApplyRulesRequest{Yaml: licensePack, Author: strings.Repeat("x", 200)})
			return err
		}, errs.Invalid},
	} {
		if err := tc.call(); kind(err) != tc.want {
			t.Errorf("%s = %v, want %v", name, err, tc.want)
		}
	}
}

func TestOldRevisionsArePurged(t *testing.T) {
	w := newWorld(t)
	s, c := w.service(Options{})
	if _, err := c.ApplyRules(t.Context(), &redrivev1.ApplyRulesRequest{Yaml: licensePack}); err != nil {
		t.Fatal(err)
	}
	s.purge(t.Context())
	if n, err := w.store.Count(t.Context(), docstore.Query{Kind: "classifier.rule_revision"}, 0); err != nil || n != 2 {
		t.Errorf("%d revisions after a purge (%v), want both", n, err)
	}
	if n, err := s.rules.PurgeRevisions(t.Context(), time.Now().Add(time.Hour), 1); err != nil || n != 2 {
		t.Errorf("PurgeRevisions = %d, %v", n, err)
	}
}

func TestAnApplyNeedsProofOfWhatDecides(t *testing.T) {
	w := newWorld(t)
	_, c := w.service(Options{})
	req := &redrivev1.ApplyRulesRequest{Yaml: strings.ReplaceAll(licensePack, "mode: shadow", "mode: enforce"), ValidateOnly: true}
	r, err := c.ApplyRules(t.Context(), req)
	if err != nil || len(r.GetRevisions()) != 2 || len(r.GetRefusals()) != 2 || !strings.Contains(r.GetRefusals()[0], "rules/license-server") {
		t.Errorf("ApplyRules with validate_only = %v, %v, want both changes and why they are refused", r, err)
	}
	req.ValidateOnly = false
	_, err = c.ApplyRules(t.Context(), req)
	if kind(err) != errs.FailedPrecondition || !strings.Contains(err.Error(), "rules/license-server") || !strings.Contains(err.Error(), "rules/license-count") {
		t.Errorf("ApplyRules = %v, want FailedPrecondition for both", err)
	}
	if all, err := c.ExportRules(t.Context(), &redrivev1.ExportRulesRequest{}); err != nil || all.GetCount() != 0 {
		t.Errorf("%d rules are stored (%v), want none", all.GetCount(), err)
	}
	req.Force = true
	if r, err = c.ApplyRules(t.Context(), req); err != nil || len(r.GetRefusals()) != 0 || !r.GetRevisions()[0].GetForced() {
		t.Errorf("ApplyRules by force = %v, %v", r, err)
	}
	rev, err := c.GetRuleRevision(t.Context(), &redrivev1.GetRuleRevisionRequest{Name: "rules/license-count/revisions/1"})
	if err != nil || !rev.GetForced() || rev.GetRule().GetMode() != redrivev1.Rule_MODE_ENFORCE {
		t.Errorf("GetRuleRevision = %v, %v, want it forced", rev, err)
	}
}
