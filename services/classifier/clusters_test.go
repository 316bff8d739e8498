package classifier

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/proposal"
)

// laboratory is a service whose jobs fail of three things that no rule knows,
// and of one that the rule "known" does, all counted.
func laboratory(t *testing.T) (*Service, redrivev1.ClassifierServiceClient) {
	t.Helper()
	s, c := newWorld(t).service(Options{})
	if _, err := c.CreateRule(t.Context(), &redrivev1.CreateRuleRequest{RuleId: "known", Force: true, Rule: &redrivev1.Rule{
		Any: []string{`reactor \d+ was reached after 3 tries and is broken`}, Class: "code.bug", Summary: "broken",
	}}); err != nil {
		t.Fatal(err)
	}
	for n := range 12 {
		line := []string{
			fmt.Sprintf("ERROR could not reach reactor re-%d:27000 of the plant", n), "gauge says the flux is odd", "",
			fmt.Sprintf("ERROR reactor %d was reached after 3 tries and is broken", n),
		}[n%4]
		m := told(fmt.Sprint("job-", n), 1, line)
		if _, err := c.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType(), Evidence: m.GetEvidence()}); err != nil {
			t.Fatal(err)
		}
	}
	count(t, s)
	return s, c
}

// count counts what was told until now.
func count(t *testing.T, s *Service) {
	t.Helper()
	if err := s.clusters.gatherer.Step(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// named returns the open clusters by the first word of their template that
// tells.
func named(t *testing.T, c redrivev1.ClassifierServiceClient, all bool) map[string]*redrivev1.Cluster {
	t.Helper()
	got := map[string]*redrivev1.Cluster{}
	for token := ""; ; {
		r, err := c.ListClusters(t.Context(), &redrivev1.ListClustersRequest{PageSize: 2, PageToken: token, All: all})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range r.GetClusters() {
			for _, word := range []string{"reactor", "gauge", "no-log"} {
				if strings.Contains(k.GetTemplate(), word) {
					got[word] = k
				}
			}
		}
		if r.GetCountedTime() == nil || r.GetForgotten() != 0 {
			t.Errorf("counted until %v, %d forgotten", r.GetCountedTime(), r.GetForgotten())
		}
		if token = r.GetNextPageToken(); token == "" {
			return got
		}
	}
}

func TestUnknownFailuresBecomeARule(t *testing.T) {
	s, c := laboratory(t)
	ctx := t.Context()
	all := named(t, c, false)
	reactor := all["reactor"]
	if len(all) != 3 || reactor.GetCount() != 3 || reactor.GetJobs() != 3 || len(reactor.GetExamples()) != 3 || reactor.GetState() != redrivev1.Cluster_STATE_OPEN {
		t.Fatalf("clusters %v", all)
	}
	done := failure.Attempt{Source: "acme", Job: "fine", Number: 1}
	if err := s.clusters.kept.KeepSuccess(ctx, done, "ERROR could not reach license server of the plant at first\nall went well\n", time.Now()); err != nil {
		t.Fatal(err)
	}
	got, err := c.SuggestRule(ctx, &redrivev1.SuggestRuleRequest{Name: reactor.GetName()})
	if err != nil || !got.GetProven() || got.GetSupport() != 3 || got.GetExamined() != 3 || got.GetClassifiedExamined() != 3 || got.GetClassifiedMatched() != 0 ||
		got.GetSuccessfulExamined() != 1 || got.GetSuccessfulMatched() != 0 || len(got.GetExamples()) != 3 || len(got.GetWrong()) != 0 || len(got.GetDoubts()) != 0 {
		t.Errorf("suggestion %v (%v)", got, err)
	}
	r := got.GetRule()
	if r.GetName() != "rules/could-not-reach-reactor-of-the" || r.GetClass() != "dependency.unavailable" || r.GetMode() != redrivev1.Rule_MODE_SHADOW || r.GetOrder() != 4900 ||
		len(r.GetNearMisses()) != 1 || r.GetSample() == "" || r.GetRunbook() == "" {
		t.Errorf("rule %v", r)
	}
	accept := &redrivev1.AcceptSuggestionRequest{Name: reactor.GetName(), Etag: reactor.GetEtag(), RuleId: "re-down", Runbook: "call them", Author: "me", Reason: "seen often"}
	made, err := c.AcceptSuggestion(ctx, accept)
	if err != nil || made.GetName() != "rules/re-down" || made.GetMode() != redrivev1.Rule_MODE_SHADOW || made.GetRunbook() != "call them" || made.GetAuthor() != "me" {
		t.Fatalf("AcceptSuggestion = %v, %v", made, err)
	}
	if k := named(t, c, true)["reactor"]; k.GetState() != redrivev1.Cluster_STATE_ACCEPTED || k.GetRule() != "rules/re-down" || named(t, c, false)["reactor"] != nil {
		t.Errorf("cluster %v", k)
	}
	accept.Etag = ""
	if _, err := c.AcceptSuggestion(ctx, accept); kind(err) != errs.FailedPrecondition {
		t.Errorf("AcceptSuggestion again = %v, want FailedPrecondition", err)
	}
	revisions, err := c.ListRuleRevisions(ctx, &redrivev1.ListRuleRevisionsRequest{Parent: "rules/re-down"})
	if err != nil || len(revisions.GetRevisions()) != 1 || revisions.GetRevisions()[0].GetAction() != redrivev1.RuleRevision_ACTION_ACCEPT || revisions.GetRevisions()[0].GetReason() != "seen often" {
		t.Errorf("revisions %v (%v)", revisions, err)
	}
	made.Mode = redrivev1.Rule_MODE_ENFORCE
	if _, err := c.UpdateRule(ctx, &redrivev1.UpdateRuleRequest{Rule: made, Force: true}); err != nil {
		t.Fatal(err)
	}
	count(t, s)
	if k := named(t, c, true)["reactor"]; k.GetState() != redrivev1.Cluster_STATE_RESOLVED || k.GetRule() != "rules/re-down" {
		t.Errorf("cluster of a rule that is enforced: %v", k)
	}
	if _, err := c.DeleteRule(ctx, &redrivev1.DeleteRuleRequest{Name: "rules/re-down"}); err != nil {
		t.Fatal(err)
	}
	count(t, s)
	if k := named(t, c, false)["reactor"]; k.GetRule() != "" {
		t.Errorf("cluster of a rule that is gone: %v", k)
	}
}

// TestARuleThatIsNotProvenNeedsForce: it matches what succeeded, and what is
// classified.
func TestARuleThatIsNotProvenNeedsForce(t *testing.T) {
	s, c := laboratory(t)
	ctx := t.Context()
	gauge := named(t, c, false)["gauge"]
	if err := s.clusters.kept.KeepSuccess(ctx, failure.Attempt{Source: "acme", Job: "fine", Number: 1}, "gauge says the flux is odd\nso what\n", time.Now()); err != nil {
		t.Fatal(err)
	}
	got, err := c.SuggestRule(ctx, &redrivev1.SuggestRuleRequest{Name: gauge.GetName()})
	if err != nil || got.GetProven() || got.GetSuccessfulMatched() != 1 || len(got.GetWrong()) != 1 || got.GetWrong()[0].GetFailure() != "" || got.GetRule().GetClass() != "" || len(got.GetDoubts()) != 2 {
		t.Errorf("suggestion %v (%v)", got, err)
	}
	for _, tc := range []struct {
		class string
		force bool
		want  errs.Kind
	}{{"", true, errs.Invalid}, {"unknown", true, errs.Invalid}, {"data.invalid", false, errs.FailedPrecondition}, {"data.invalid", true, errs.None}} {
		r, err := c.AcceptSuggestion(ctx, &redrivev1.AcceptSuggestionRequest{Name: gauge.GetName(), Class: tc.class, Force: tc.force, Verdict: redrivev1.Verdict_VERDICT_RETRY, Summary: "odd"})
		if kind(err) != tc.want {
			t.Errorf("AcceptSuggestion with class %q, force %v = %v, want %v", tc.class, tc.force, err, tc.want)
		}
		if err == nil && (r.GetClass() != tc.class || r.GetVerdict() != redrivev1.Verdict_VERDICT_RETRY || r.GetSummary() != "odd") {
			t.Errorf("rule %v", r)
		}
	}
}

// TestAcceptingGoesOnAfterACrash between the rule and the cluster: no second
// rule is made.
func TestAcceptingGoesOnAfterACrash(t *testing.T) {
	s, c := laboratory(t)
	ctx := t.Context()
	id := strings.TrimPrefix(named(t, c, false)["reactor"].GetName(), "clusters/")
	k, err := s.clusters.kept.Get(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.clusters.proposer.Accept(ctx, crashing{s}, s.book, id, proposal.Acceptance{}, time.Now())
	if !errs.Is(err, errs.Unavailable) {
		t.Fatalf("Accept = %v, %v", r, err)
	}
	made, err := c.AcceptSuggestion(ctx, &redrivev1.AcceptSuggestionRequest{Name: "clusters/" + id})
	if err != nil || made.GetName() != "rules/"+r.ID {
		t.Errorf("AcceptSuggestion after a crash = %v, %v, want rules/%s", made, err, r.ID)
	}
	if _, err := s.book.Get(ctx, r.ID+"-2"); !errs.Is(err, errs.NotFound) {
		t.Errorf("a second rule was made (%v)", err)
	}
	if now, err := s.clusters.kept.Get(ctx, id); err != nil || now.AcceptedRule != r.ID || now.Revision == k.Revision {
		t.Errorf("cluster %+v (%v)", now, err)
	}
}

// crashing reads clusters and stores none.
type crashing struct{ *Service }

func (x crashing) Get(ctx context.Context, id string) (*cluster.Cluster, error) {
	return x.clusters.kept.Get(ctx, id)
}

func (x crashing) Put(context.Context, *cluster.Cluster) error {
	return errs.New(errs.Unavailable, "crashed")
}

func TestDismissAndBadRequestsAboutClusters(t *testing.T) {
	_, c := laboratory(t)
	ctx := t.Context()
	gauge := named(t, c, false)["gauge"]
	k, err := c.DismissCluster(ctx, &redrivev1.DismissClusterRequest{Name: gauge.GetName(), Reason: "ours"})
	if err != nil || k.GetState() != redrivev1.Cluster_STATE_DISMISSED || k.GetDismissReason() != "ours" || named(t, c, false)["gauge"] != nil {
		t.Errorf("DismissCluster = %v, %v", k, err)
	}
	if k, err = c.GetCluster(ctx, &redrivev1.GetClusterRequest{Name: gauge.GetName()}); err != nil || k.GetDismissReason() != "ours" {
		t.Errorf("GetCluster = %v, %v", k, err)
	}
	if k, err = c.DismissCluster(ctx, &redrivev1.DismissClusterRequest{Name: gauge.GetName(), Undismiss: true}); err != nil || k.GetState() != redrivev1.Cluster_STATE_OPEN {
		t.Errorf("DismissCluster back = %v, %v", k, err)
	}
	empty := named(t, c, false)["no-log"].GetName()
	for name, tc := range map[string]struct {
		call func() error
		want errs.Kind
	}{
		"get of none": {func() error {
			_, err := c.GetCluster(ctx, &redrivev1.GetClusterRequest{Name: "clusters/none"})
			return err
		}, errs.NotFound},
		"get of no cluster":    {func() error { _, err := c.GetCluster(ctx, &redrivev1.GetClusterRequest{Name: "rules/x"}); return err }, errs.Invalid},
		"list with a bad page": {func() error { _, err := c.ListClusters(ctx, &redrivev1.ListClustersRequest{PageSize: -1}); return err }, errs.Invalid},
		"suggest without logs": {func() error { _, err := c.SuggestRule(ctx, &redrivev1.SuggestRuleRequest{Name: empty}); return err }, errs.FailedPrecondition},
		"suggest of none": {func() error {
			_, err := c.SuggestRule(ctx, &redrivev1.SuggestRuleRequest{Name: "clusters/none"})
			return err
		}, errs.NotFound},
		"accept with a bad id": {func() error {
			_, err := c.AcceptSuggestion(ctx, &redrivev1.AcceptSuggestionRequest{Name: gauge.GetName(), RuleId: "Ä"})
			return err
		}, errs.Invalid},
		"accept with a bad class": {func() error {
			_, err := c.AcceptSuggestion(ctx, &redrivev1.AcceptSuggestionRequest{Name: gauge.GetName(), Class: "moon"})
			return err
		}, errs.Invalid},
		"accept with a bad verdict": {func() error {
			_, err := c.AcceptSuggestion(ctx, &redrivev1.AcceptSuggestionRequest{Name: gauge.GetName(), Verdict: 77})
			return err
		}, errs.Invalid},
		"accept of another state": {func() error {
			_, err := c.AcceptSuggestion(ctx, &redrivev1.AcceptSuggestionRequest{Name: gauge.GetName(), Etag: "old", Class: "code.bug"})
			return err
		}, errs.Conflict},
		"accept under an id that is taken": {func() error {
			_, err := c.AcceptSuggestion(ctx, &redrivev1.AcceptSuggestionRequest{Name: gauge.GetName(), RuleId: "known", Class: "code.bug", Force: true})
			return err
		}, errs.AlreadyExists},
		"dismiss with a long reason": {func() error {
			_, err := c.DismissCluster(ctx, &redrivev1.DismissClusterRequest{Name: gauge.GetName(), Reason: strings.Repeat("x", 501)})
			return err
		}, errs.Invalid},
	} {
		if err := tc.call(); kind(err) != tc.want {
			t.Errorf("%s = %v, want %v", name, err, tc.want)
		}
	}
}
