package book_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// packOf is a pack of rules with these ids, or "id:order".
func packOf(t *testing.T, name string, ids ...string) rule.Pack {
	t.Helper()
	p := rule.Pack{Name: name}
	for _, id := range ids {
		id, place, placed := strings.Cut(id, ":")
		r := plainRule(id)
		r.Pack = name
		if placed {
			n, err := strconv.Atoi(place)
			if err != nil {
				t.Fatal(err)
			}
			r.Order = n
		}
		c, err := rule.Compile("rule", r)
		if err != nil {
			t.Fatal(err)
		}
		p.Rules = append(p.Rules, c)
	}
	return p
}

// apply plans and applies, and returns what was done: "own APPLY".
func apply(t *testing.T, b *book.Book, prune bool, packs ...rule.Pack) (done []string, unchanged int) {
	t.Helper()
	p, err := b.Plan(t.Context(), "yaml", packs, prune, change, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context(), p, now); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps {
		word := map[book.Action]string{book.ActionApply: " APPLY", book.ActionDelete: " DELETE"}[s.Revision.Action]
		done = append(done, s.Entry.Rule.ID+word)
	}
	return done, p.Unchanged
}

func TestApply(t *testing.T) {
	c := &committer{Store: storetest.Open(t)}
	b := newBook(t, c, "built", "other")
	if _, err := b.Create(t.Context(), plainRule("mine"), book.Request{}, change, false, now); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name      string
		prune     bool
		packs     []rule.Pack
		want      []string
		unchanged int
		atWork    string
	}{
		{"a pack", false, []rule.Pack{packOf(t, "acme", "a", "b", "built:5")}, []string{"a APPLY", "b APPLY", "built APPLY"}, 0, "built a b mine other"},
		{"the same again", true, []rule.Pack{packOf(t, "acme", "a", "b", "built:5")}, nil, 3, "built a b mine other"},
		{"another place", false, []rule.Pack{packOf(t, "acme", "a:20")}, []string{"a APPLY"}, 0, "built b mine other a"},
		{"no rules of other packs", true, []rule.Pack{packOf(t, "zeta", "z")}, []string{"z APPLY"}, 0, "built b mine other z a"},
		{"less, pruned", true, []rule.Pack{packOf(t, "acme", "a:20", "c")}, []string{"c APPLY", "b DELETE", "built DELETE"}, 1, "built c mine other z a"},
		{"into another pack", false, []rule.Pack{packOf(t, "zeta", "c", "z")}, []string{"c APPLY"}, 1, "built c mine other z a"},
		{"two packs", true, []rule.Pack{packOf(t, "acme", "b"), packOf(t, "zeta", "z:3")}, []string{"b APPLY", "z APPLY", "a DELETE", "c DELETE"}, 0, "z b built mine other"},
		{"an override by hand", false, []rule.Pack{packOf(t, "", "other:4")}, []string{"other APPLY"}, 0, "z other b built mine"},
		{"the built-in rule", false, []rule.Pack{packOf(t, "", "other")}, []string{"other APPLY"}, 0, "z b built mine other"},
		{"the built-in rule again", false, []rule.Pack{packOf(t, "", "other")}, nil, 1, "z b built mine other"},
		{"what was made by hand", false, []rule.Pack{packOf(t, "", "mine")}, nil, 1, "z b built mine other"},
	} {
		events := len(c.told)
		got, unchanged := apply(t, b, tc.prune, tc.packs...)
		if !slices.Equal(got, tc.want) || unchanged != tc.unchanged || strings.Join(atWork(b), " ") != tc.atWork {
			t.Errorf("%s: %v, %d unchanged, %v at work, want %v, %d, %s", tc.name, got, unchanged, atWork(b), tc.want, tc.unchanged, tc.atWork)
		}
		if told := len(c.told) - events; told != min(len(tc.want), 1) {
			t.Errorf("%s: %d events, want one for all changes", tc.name, told)
		}
	}
	wantHistory(t, c, "built", "2 APPLY: order: 10 → 5, pack: none → acme", "3 DELETE: order: 5 → 10, pack: acme → none")
	wantHistory(t, c, "other", "2 APPLY: order: 10 → 4", "3 APPLY: order: 4 → 10")
	if d, err := b.Diff(t.Context(), "other", 2, 3); err != nil || d.After.Overridden {
		t.Errorf("Diff = %+v, %v, want the built-in rule after", d, err)
	}
	wantHistory(t, c, "b", "1 APPLY: ", "2 DELETE: ", "3 APPLY: ")
	if e := entryOf(t, b, "z"); e.Rule.Author != "ann" || e.Rule.Pack != "zeta" || e.Rule.Revision != 2 {
		t.Errorf("z = %+v", e.Rule)
	}
	all, err := newBook(t, c, "built", "other").All(t.Context())
	if err != nil || len(all) != 5 {
		t.Errorf("All = %+v, %v", all, err)
	}
}

func TestAnApplyIsAllOrNothing(t *testing.T) {
	c := &committer{Store: storetest.Open(t)}
	b := newBook(t, c)
	p, err := b.Plan(t.Context(), "yaml", []rule.Pack{packOf(t, "acme", "a", "b", "c")}, false, change, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(atWork(b)) != 0 || len(history(t, c, "")) != 0 {
		t.Error("a plan has done something")
	}
	if _, err := newBook(t, c).Create(t.Context(), plainRule("b"), book.Request{}, change, false, now); err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context(), p, now); !errs.Is(err, errs.Conflict) {
		t.Errorf("Apply over another change = %v, want Conflict", err)
	}
	wantHistory(t, c, "", "1 CREATE: ")
	many := make([]string, book.MaxApplied+1)
	for i := range many {
		many[i] = "r" + strconv.Itoa(i)
	}
	yields := packOf(t, "acme", "a", "b")
	yields.Rules[0].Rule.YieldsTo, yields.Rules[1].Rule.YieldsTo = []string{"rules/b"}, []string{"rules/a"}
	for name, tc := range map[string]struct {
		pack  rule.Pack
		prune bool
		want  string
	}{
		"too many":         {packOf(t, "acme", many...), false, "yaml: changes 301 rules"},
		"a circle":         {yields, false, "yaml: a.yields_to"},
		"prune of no pack": {packOf(t, "", "a"), true, "prune: needs packs with names"},
	} {
		if _, err := b.Plan(t.Context(), "yaml", []rule.Pack{tc.pack}, tc.prune, change, now); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Plan of %s = %v, want Invalid with %q", name, err, tc.want)
		}
	}
	if got, _ := apply(t, b, false, packOf(t, "acme", many[:book.MaxApplied]...)); len(got) != book.MaxApplied || len(atWork(b)) != book.MaxApplied+1 {
		t.Errorf("%d rules were applied, %d are at work", len(got), len(atWork(b)))
	}
	yields.Rules[1].Rule.YieldsTo = nil
	if got, _ := apply(t, b, false, yields); !slices.Equal(got, []string{"a APPLY", "b APPLY"}) {
		t.Errorf("rules that yield to each other came as %v", got)
	}
}
