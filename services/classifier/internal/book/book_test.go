package book_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

var now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

var change = book.Change{Author: "ann", Reason: "to see"}

type committer struct {
	docstore.Store
	told []bus.Event
}

func (c *committer) Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error {
	c.told = append(c.told, events...)
	return c.Store.Commit(ctx, writes...)
}

func plainRule(id string) rule.Rule {
	return rule.Rule{ID: id, Order: 10, Any: []string{id + " is here"}, Class: failure.CodeBug, Summary: "it is " + id, Mode: rule.Enforce}
}

func newBook(t *testing.T, c *committer, builtIn ...string) *book.Book {
	t.Helper()
	rules := make([]rule.Rule, len(builtIn))
	for i, id := range builtIn {
		rules[i] = plainRule(id)
	}
	return newBookWith(t, c, rules...)
}

func newBookWith(t *testing.T, c *committer, builtIn ...rule.Rule) *book.Book {
	t.Helper()
	var rules []*rule.Compiled
	for _, r := range builtIn {
		r.BuiltIn, r.Revision = true, 1
		compiled, err := rule.Compile("rule", r)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, compiled)
	}
	set, err := rule.NewSet(rules...)
	if err != nil {
		t.Fatal(err)
	}
	b := book.New(set, store.NewRules(c.Store, c), slog.New(slog.DiscardHandler))
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func atWork(b *book.Book) (ids []string) {
	for _, c := range b.Set().Rules() {
		ids = append(ids, c.Rule.ID)
	}
	return ids
}

func TestCreate(t *testing.T) {
	c := &committer{Store: storetest.Open(t)}
	b := newBook(t, c, "built")
	q := book.Request{ID: "q1", Digest: "d1"}
	for range 2 {
		r, err := b.Create(t.Context(), plainRule("own"), q, change, false, now)
		if err != nil || r.Revision != 1 || !r.CreateTime.Equal(now) || r.Author != "ann" {
			t.Errorf("Create = %+v, %v", r, err)
		}
	}
	if got := atWork(b); !slices.Equal(got, []string{"built", "own"}) || len(c.told) != 1 {
		t.Errorf("at work: %v after %d events, want both after one", got, len(c.told))
	}
	for name, tc := range map[string]struct {
		id   string
		q    book.Request
		want errs.Kind
	}{
		"taken":                {"own", book.Request{}, errs.AlreadyExists},
		"taken by other words": {"own", book.Request{ID: "q1", Digest: "d2"}, errs.Invalid},
		"taken, other request": {"own", book.Request{ID: "q2", Digest: "d1"}, errs.AlreadyExists},
		"built in":             {"built", q, errs.AlreadyExists},
		"bad":                  {"Bad", book.Request{}, errs.Invalid},
	} {
		if _, err := b.Create(t.Context(), plainRule(tc.id), tc.q, change, false, now); errs.KindOf(err) != tc.want {
			t.Errorf("%s: Create = %v, want %v", name, err, tc.want)
		}
	}
	if _, err := b.Create(t.Context(), plainRule("checked"), book.Request{}, change, true, now); err != nil || len(atWork(b)) != 2 {
		t.Errorf("a check = %v and leaves %v at work", err, atWork(b))
	}
	before := b.Set()
	if err := b.Reload(t.Context()); err != nil || b.Set() != before {
		t.Errorf("Reload = %v with another set, although nothing has changed", err)
	}
	other := newBook(t, c, "built")
	if got := atWork(other); len(got) != 2 {
		t.Errorf("another replica has %v", got)
	}
}

func TestABuiltInRuleIsOverriddenAndBroughtBack(t *testing.T) {
	c := &committer{Store: storetest.Open(t)}
	b, other := newBook(t, c, "built"), newBook(t, c, "built")
	get := func(b *book.Book) book.Entry {
		t.Helper()
		e, err := b.Get(t.Context(), "built")
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	builtIn := get(b)
	if err := b.Delete(t.Context(), builtIn, change, now); !errs.Is(err, errs.FailedPrecondition) || !strings.Contains(err.Error(), "MODE_OFF") {
		t.Errorf("Delete of a built-in rule = %v, want FailedPrecondition that says how to switch it off", err)
	}
	for turn := range int64(2) {
		changed := get(b).Rule
		changed.Mode = rule.Off
		r, err := b.Update(t.Context(), get(b), changed, change, false, now)
		if err != nil || !r.Overridden || !r.BuiltIn || r.Revision != 2+2*turn {
			t.Errorf("Update = %+v, %v", r, err)
		}
		if err := other.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c, _ := other.Set().Rule("built"); c.Rule.Mode != rule.Off || !c.Rule.Overridden {
			t.Errorf("the other replica has %+v", c.Rule)
		}
		if _, err := b.Update(t.Context(), builtIn, changed, change, false, now); !errs.Is(err, errs.Conflict) {
			t.Errorf("Update of what was read before = %v, want Conflict", err)
		}
		if err := other.Delete(t.Context(), get(other), change, now); err != nil {
			t.Fatal(err)
		}
		if err := b.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := get(b); e.Rule.Mode != rule.Enforce || e.Rule.Overridden || e.Rule.Revision != 3+2*turn {
			t.Errorf("brought back: %+v", e.Rule)
		}
		if c, _ := b.Set().Rule("built"); c.Rule.Revision != 3+2*turn || c.Rule.Mode != rule.Enforce {
			t.Errorf("at work: %+v", c.Rule)
		}
	}
}

func TestDeleteOfAnOwnRule(t *testing.T) {
	c := &committer{Store: storetest.Open(t)}
	b := newBook(t, c)
	if _, err := b.Create(t.Context(), plainRule("own"), book.Request{}, change, false, now); err != nil {
		t.Fatal(err)
	}
	e, err := b.Get(t.Context(), "own")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), e, change, now); err != nil || len(atWork(b)) != 0 {
		t.Errorf("Delete = %v, %v at work", err, atWork(b))
	}
	if _, err := b.Get(t.Context(), "own"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get = %v, want NotFound", err)
	}
	if err := b.Delete(t.Context(), e, change, now); !errs.Is(err, errs.Conflict) {
		t.Errorf("Delete again = %v, want Conflict", err)
	}
	if len(c.told) < 2 || c.told[0].ID == c.told[1].ID {
		t.Errorf("events = %+v, want one a change, each with an id of its own", c.told)
	}
}

func TestAfterAnUpgrade(t *testing.T) {
	c := &committer{Store: storetest.Open(t)}
	before := newBook(t, c, "gone", "stays")
	for _, id := range []string{"gone", "stays"} {
		e, err := before.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := before.Update(t.Context(), e, e.Rule, change, false, now); err != nil {
			t.Fatal(err)
		}
		if e, err = before.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if err := before.Delete(t.Context(), e, change, now); err != nil {
			t.Fatal(err)
		}
	}
	broken := plainRule("broken")
	broken.Any = []string{"(not a pattern any more"}
	if err := store.NewRules(c.Store, c).Commit(t.Context(), now, book.Step{Entry: book.Entry{Rule: broken}, Revision: book.Revision{Rule: broken, Number: 1}}); err != nil {
		t.Fatal(err)
	}
	after := newBook(t, c, "stays", "broken")
	if got := atWork(after); !slices.Equal(got, []string{"broken", "stays"}) {
		t.Errorf("at work: %v, want the built-in rules", got)
	}
	if _, err := after.Get(t.Context(), "gone"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of a rule that is not built in any more = %v, want NotFound", err)
	}
	if _, err := after.Create(t.Context(), plainRule("gone"), book.Request{}, change, false, now); err != nil {
		t.Errorf("Create in its place = %v", err)
	}
	if got := atWork(after); !slices.Equal(got, []string{"broken", "gone", "stays"}) {
		t.Errorf("at work: %v", got)
	}
}

func TestPage(t *testing.T) {
	b := newBook(t, &committer{Store: storetest.Open(t)}, "a", "b", "c")
	page, more := b.Page(func(r *rule.Rule) bool { return r.ID != "a" }, 1)
	if len(page) != 1 || page[0].ID != "b" || !more {
		t.Errorf("Page = %v, %v, want b and more", page, more)
	}
	if page, more = b.Page(func(*rule.Rule) bool { return true }, 3); len(page) != 3 || more {
		t.Errorf("Page = %v, %v, want all", page, more)
	}
}
