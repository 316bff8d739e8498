package book_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

// history returns what was done to a rule, the oldest first: "2 UPDATE by ann:
// order: 10 → 20".
func history(t *testing.T, c *committer, id string) (all []string) {
	t.Helper()
	p, err := docstore.NewPaging(1000, "", "x")
	if err != nil {
		t.Fatal(err)
	}
	found, _, err := store.NewRules(c.Store, c).ListRevisions(t.Context(), id, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range slices.Backward(found) {
		number := r.GetName()[strings.LastIndex(r.GetName(), "/")+1:]
		all = append(all, number+" "+strings.TrimPrefix(r.GetAction().String(), "ACTION_")+": "+strings.Join(r.GetChanges(), ", "))
	}
	return all
}

func wantHistory(t *testing.T, c *committer, id string, want ...string) {
	t.Helper()
	if got := history(t, c, id); !slices.Equal(got, want) {
		t.Errorf("history of %s = %q\nwant %q", id, got, want)
	}
}

func entryOf(t *testing.T, b *book.Book, id string) book.Entry {
	t.Helper()
	e, err := b.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// order moves a rule to another place.
func order(t *testing.T, b *book.Book, id string, to int) {
	t.Helper()
	e := entryOf(t, b, id)
	r := e.Rule
	r.Order = to
	if _, err := b.Update(t.Context(), e, r, change, false, now); err != nil {
		t.Fatal(err)
	}
}

func TestEveryChangeIsARevision(t *testing.T) {
	c := &committer{Store: storetest.Open(t)}
	b := newBook(t, c, "built")
	if _, err := b.Create(t.Context(), plainRule("own"), book.Request{}, book.Change{Action: book.ActionAccept, Author: "ann"}, false, now); err != nil {
		t.Fatal(err)
	}
	order(t, b, "own", 20)
	order(t, b, "built", 30)
	for _, id := range []string{"own", "built"} {
		if err := b.Delete(t.Context(), entryOf(t, b, id), change, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Create(t.Context(), plainRule("own"), book.Request{}, change, false, now); err != nil {
		t.Fatal(err)
	}
	wantHistory(t, c, "own", "1 ACCEPT: ", "2 UPDATE: order: 10 → 20", "3 DELETE: ", "4 CREATE: ")
	wantHistory(t, c, "built", "2 UPDATE: order: 10 → 30", "3 DELETE: order: 30 → 10")
	if got := len(history(t, c, "")); got != 6 {
		t.Errorf("the audit trail has %d entries, want 6", got)
	}
	last, err := store.NewRules(c.Store, c).Revision(t.Context(), "own", 3)
	if err != nil || last.Author != "ann" || last.Reason != "to see" || !last.Time.Equal(now) || last.Rule.Order != 20 {
		t.Errorf("revision 3 = %+v, %v", last, err)
	}
	if r := entryOf(t, b, "own").Rule; r.Revision != 4 {
		t.Errorf("made again: %+v", r)
	}
	long := book.Change{Author: strings.Repeat("x", 129), Reason: strings.Repeat("x", 1001)}
	_, err = b.Create(t.Context(), plainRule("other"), book.Request{}, long, false, now)
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "author") || !strings.Contains(err.Error(), "reason") {
		t.Errorf("Create with long words = %v, want Invalid for both", err)
	}
}

func TestRollbackOfAnOwnRule(t *testing.T) {
	c := &committer{Store: storetest.Open(t)}
	b := newBook(t, c)
	back := func(to int64) (rule.Rule, error) {
		e, err := b.Get(t.Context(), "own")
		if err != nil {
			e = book.Entry{Rule: rule.Rule{ID: "own"}}
		}
		return b.Rollback(t.Context(), e, to, change, false, now)
	}
	if _, err := back(0); !errs.Is(err, errs.NotFound) {
		t.Errorf("Rollback of what never was = %v, want NotFound", err)
	}
	if _, err := b.Create(t.Context(), plainRule("own"), book.Request{}, change, false, now); err != nil {
		t.Fatal(err)
	}
	if _, err := back(0); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Rollback of what never changed = %v, want FailedPrecondition", err)
	}
	order(t, b, "own", 20)
	order(t, b, "own", 30)
	if r, err := back(0); err != nil || r.Order != 20 || r.Revision != 4 {
		t.Errorf("Rollback = %+v, %v", r, err)
	}
	if r, err := back(1); err != nil || r.Order != 10 || r.Revision != 5 {
		t.Errorf("Rollback to 1 = %+v, %v", r, err)
	}
	for _, to := range []int64{-1, 5, 6} {
		if _, err := back(to); !errs.Is(err, errs.Invalid) {
			t.Errorf("Rollback to %d = %v, want Invalid", to, err)
		}
	}
	if r, err := b.Rollback(t.Context(), entryOf(t, b, "own"), 3, change, true, now); err != nil || r.Order != 30 || entryOf(t, b, "own").Rule.Revision != 5 {
		t.Errorf("a check of a rollback = %+v, %v", r, err)
	}
	stale := entryOf(t, b, "own")
	if err := b.Delete(t.Context(), stale, change, now); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Rollback(t.Context(), stale, 3, change, false, now); !errs.Is(err, errs.Conflict) {
		t.Errorf("Rollback of what was deleted meanwhile = %v, want Conflict", err)
	}
	if r, err := back(0); err != nil || r.Order != 10 || r.Revision != 7 || len(atWork(b)) != 1 {
		t.Errorf("Rollback of a deletion = %+v, %v", r, err)
	}
	if _, err := back(6); !errs.Is(err, errs.FailedPrecondition) || !strings.Contains(err.Error(), "deletion") {
		t.Errorf("Rollback to a deletion = %v, want FailedPrecondition", err)
	}
	wantHistory(t, c, "own", "1 CREATE: ", "2 UPDATE: order: 10 → 20", "3 UPDATE: order: 20 → 30", "4 ROLLBACK: order: 30 → 20",
		"5 ROLLBACK: order: 20 → 10", "6 DELETE: ", "7 ROLLBACK: ")
}

func TestRollbackOfAnOverride(t *testing.T) {
	c := &committer{Store: storetest.Open(t)}
	b := newBook(t, c, "built")
	back := func(to int64) (rule.Rule, error) {
		return b.Rollback(t.Context(), entryOf(t, b, "built"), to, change, false, now)
	}
	order(t, b, "built", 20)
	if r, err := back(0); err != nil || r.Overridden || !r.BuiltIn || r.Order != 10 || r.Revision != 3 {
		t.Errorf("Rollback to the built-in rule = %+v, %v", r, err)
	}
	if _, err := back(1); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Rollback to the built-in rule again = %v, want FailedPrecondition", err)
	}
	if r, err := back(0); err != nil || !r.Overridden || r.Order != 20 || r.Revision != 4 {
		t.Errorf("Rollback to the override = %+v, %v", r, err)
	}
	if r, err := back(3); err != nil || r.Overridden || r.Revision != 5 {
		t.Errorf("Rollback to the rollback = %+v, %v", r, err)
	}
	wantHistory(t, c, "built", "2 UPDATE: order: 10 → 20", "3 ROLLBACK: order: 20 → 10", "4 ROLLBACK: order: 10 → 20", "5 ROLLBACK: order: 20 → 10")
}

func TestDiff(t *testing.T) {
	c := &committer{Store: storetest.Open(t)}
	b := newBook(t, c, "built", "plain")
	order(t, b, "built", 20)
	order(t, b, "built", 30)
	if _, err := b.Create(t.Context(), plainRule("own"), book.Request{}, change, false, now); err != nil {
		t.Fatal(err)
	}
	order(t, b, "own", 20)
	if _, err := b.Create(t.Context(), plainRule("gone"), book.Request{}, change, false, now); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), entryOf(t, b, "gone"), change, now); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		id       string
		from, to int64
		want     string
		kind     errs.Kind
	}{
		"an override and its built-in rule": {"built", 0, 0, "order: 10 → 30", errs.None},
		"an override and the one before":    {"built", 0, 3, "order: 20 → 30", errs.None},
		"an override and the first":         {"built", 2, 0, "order: 20 → 30", errs.None},
		"the built-in rule and an override": {"built", 1, 2, "order: 10 → 20", errs.None},
		"backwards":                         {"built", 3, 2, "order: 30 → 20", errs.None},
		"an own rule and the one before":    {"own", 0, 0, "order: 10 → 20", errs.None},
		"what never changed":                {"plain", 0, 0, "", errs.None},
		"what is new":                       {"own", 0, 1, "", errs.None},
		"a deletion":                        {"gone", 0, 2, "", errs.None},
		"what is gone":                      {"gone", 0, 0, "", errs.NotFound},
		"no such revision":                  {"own", 7, 0, "", errs.NotFound},
		"before all":                        {"own", -1, 0, "", errs.Invalid},
	} {
		d, err := b.Diff(t.Context(), tc.id, tc.from, tc.to)
		if got := strings.Join(d.Changes, ", "); got != tc.want || !errs.Is(err, tc.kind) {
			t.Errorf("Diff of %s = %q, %v, want %q, %v", name, got, err, tc.want, tc.kind)
		}
	}
	if d, err := b.Diff(t.Context(), "gone", 0, 2); err != nil || d.After != nil || d.Before == nil {
		t.Errorf("Diff of a deletion = %+v, %v", d, err)
	}
	// A new version of Redrive has another built-in rule below the override.
	upgraded := newBookWith(t, c, func() rule.Rule { r := plainRule("built"); r.Summary = "it is better"; return r }())
	if d, err := upgraded.Diff(t.Context(), "built", 0, 0); err != nil || !slices.Equal(d.Changes, []string{"order: 10 → 30", `summary: "it is better" → "it is built"`}) {
		t.Errorf("Diff after an upgrade = %q, %v", d.Changes, err)
	}
	if e := entryOf(t, upgraded, "built"); e.Rule.Order != 30 || !e.Rule.Overridden {
		t.Errorf("the override after an upgrade is %+v", e.Rule)
	}
}
