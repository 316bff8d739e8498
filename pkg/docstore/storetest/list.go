package storetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// nastyValues are chosen to break encodings: prefixes of each other, and bytes
// that an encoding may use as a mark.
var nastyValues = []string{
	"", "\x00", "\x00\x00", "\x00\x01", "\x00\x02", "\x00\xff", "\x00\xff\x00", "\x01", "\x01\x00", "\x01\x01",
	"a", "a\x00", "a\x00\x00", "a\x00\x01", "a\x00\x01b", "a\x00b", "a\x00\xff", "a\x00\xffb", "a\x01", "a!", "aa", "a\xff", "a\xff\xff",
	"b", "é", "\xff", "\xff\x00", "\xff\xff", "\xff\xff\xff",
}

// nastyIDs are the same without the empty one, which is no id.
var nastyIDs = nastyValues[1:]

func indexOrder(t *testing.T, s docstore.Store) {
	type place struct{ value, id string }
	var want []place
	for i, value := range nastyValues {
		for _, id := range nastyIDs {
			// A document has one place in an index, so the id gets a mark.
			want = append(want, place{value, id + "#" + name(i)})
		}
	}
	for chunk := range slices.Chunk(want, 100) {
		var writes []docstore.Write
		for _, p := range chunk {
			writes = append(writes, put("job", p.id, docstore.Absent, p.value, docstore.Entry{Name: "v", Value: p.value}))
		}
		mustCommit(t, s, writes...)
	}
	slices.SortFunc(want, func(a, b place) int {
		if c := strings.Compare(a.value, b.value); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	for _, limit := range []int{0, 1, 7} {
		check := func(q docstore.Query, want []place) {
			t.Helper()
			got := list(t, s, q)
			if len(got) != len(want) {
				t.Fatalf("%+v: %d documents, want %d", q, len(got), len(want))
			}
			for i := range got {
				if got[i].ID != want[i].id || string(got[i].Value) != want[i].value {
					t.Fatalf("%+v: document %d = %q (value %q), want %q (value %q)", q, i, got[i].ID, got[i].Value, want[i].id, want[i].value)
				}
			}
		}
		check(docstore.Query{Kind: "job", Index: "v", Limit: limit}, want)
		back := slices.Clone(want)
		slices.Reverse(back)
		check(docstore.Query{Kind: "job", Index: "v", Limit: limit, Descending: true}, back)
	}
	got := ids(list(t, s, docstore.Query{Kind: "job", Limit: 50}))
	if len(got) != len(want) || !slices.IsSorted(got) {
		t.Errorf("%d documents by id, sorted: %v; want %d, sorted", len(got), slices.IsSorted(got), len(want))
	}
}

func indexUpkeep(t *testing.T, s docstore.Store) {
	due := func(v string) docstore.Entry { return docstore.Entry{Name: "due", Value: v} }
	state := func(v string) docstore.Entry { return docstore.Entry{Name: "state", Value: v} }
	want := func(kind, index string, want ...string) {
		t.Helper()
		if got := ids(list(t, s, docstore.Query{Kind: kind, Index: index})); !slices.Equal(got, want) {
			t.Errorf("%s by %q = %q, want %q", kind, index, got, want)
		}
	}
	want("job", "due")
	mustCommit(t, s, put("job", "a", 0, "", due("2"), state("x")), put("job", "b", 0, "", due("1")), put("job", "c", 0, ""), put("jobd", "a", 0, "", docstore.Entry{Name: "ue", Value: "9"}))
	want("job", "due", "b", "a")
	want("job", "state", "a")
	want("job", "none")
	mustCommit(t, s, put("job", "a", 1, "", due("0")), put("job", "c", 1, "", state("y"), due("0")))
	want("job", "due", "a", "c", "b")
	want("job", "state", "c")
	mustCommit(t, s, put("job", "a", 2, ""), del("job", "c", 2))
	want("job", "due", "b")
	want("job", "state")
	want("job", "", "a", "b")
	mustCommit(t, s, put("job", "c", 0, ""))
	want("job", "due", "b")
	want("jobd", "ue", "a")
}

func ranges(t *testing.T, s docstore.Store) {
	for _, id := range []string{"a", "a\x00", "ab", "b", "c", "d"} {
		mustCommit(t, s, put("job", id, 0, "", docstore.Entry{Name: "v", Value: id}))
	}
	mustCommit(t, s, put("job", "e", 0, "", docstore.Entry{Name: "v", Value: "b"}), put("job", "f", 0, ""))
	for _, tc := range []struct {
		from, until  string
		byID, byV    string
		descendingBy string
	}{
		{"", "", "a a\x00 ab b c d e f", "a a\x00 ab b e c d", "d c e b ab a\x00 a"},
		{"a", "b", "a a\x00 ab", "a a\x00 ab", "ab a\x00 a"},
		{"a\x00", "ab", "a\x00", "a\x00", "a\x00"},
		{"b", "c", "b", "b e", "e b"},
		{"b", "", "b c d e f", "b e c d", "d c e b"},
		{"", "b", "a a\x00 ab", "a a\x00 ab", "ab a\x00 a"},
		{"bb", "bc", "", "", ""},
		{"c", "b", "", "", ""},
		{"b", "b", "", "", ""},
		{"z", "", "", "", ""},
	} {
		for _, limit := range []int{0, 1, 2} {
			q := docstore.Query{Kind: "job", From: tc.from, Until: tc.until, Limit: limit}
			if got := strings.Join(ids(list(t, s, q)), " "); got != tc.byID {
				t.Errorf("%+v = %q, want %q", q, got, tc.byID)
			}
			q.Index = "v"
			if got := strings.Join(ids(list(t, s, q)), " "); got != tc.byV {
				t.Errorf("%+v = %q, want %q", q, got, tc.byV)
			}
			q.Descending = true
			if got := strings.Join(ids(list(t, s, q)), " "); got != tc.descendingBy {
				t.Errorf("%+v = %q, want %q", q, got, tc.descendingBy)
			}
		}
	}
}

func pages(t *testing.T, s docstore.Store) {
	const n = 23
	var want []string
	for i := range n {
		want = append(want, name(i))
		mustCommit(t, s, put("job", name(i), 0, "", docstore.Entry{Name: "v", Value: name(i / 5)}))
	}
	back := slices.Clone(want)
	slices.Reverse(back)
	for _, index := range []string{"", "v"} {
		for limit := 1; limit <= n+1; limit++ {
			if got := ids(list(t, s, docstore.Query{Kind: "job", Index: index, Limit: limit})); !slices.Equal(got, want) {
				t.Errorf("index %q, limit %d = %v, want %v", index, limit, got, want)
			}
			if got := ids(list(t, s, docstore.Query{Kind: "job", Index: index, Limit: limit, Descending: true})); !slices.Equal(got, back) {
				t.Errorf("index %q, limit %d, descending = %v, want %v", index, limit, got, back)
			}
		}
		page, err := s.List(t.Context(), docstore.Query{Kind: "job", Index: index, Limit: n})
		if err != nil || len(page.Docs) != n || page.Next != "" {
			t.Errorf("a page that just holds all: %d documents, next %q, %v; want %d and no next", len(page.Docs), page.Next, err, n)
		}
	}
}

func pageBytes(t *testing.T, s docstore.Store) {
	const n = docstore.MaxPage/docstore.MaxValue + 2
	big := strings.Repeat("v", docstore.MaxValue)
	for i := range n {
		mustCommit(t, s, put("job", name(i), 0, big))
	}
	page, err := s.List(t.Context(), docstore.Query{Kind: "job"})
	if err != nil || len(page.Docs) != n-2 || page.Next == "" {
		t.Errorf("first page = %d documents, next %q, %v; want %d and a next", len(page.Docs), page.Next, err, n-2)
	}
	if got := len(list(t, s, docstore.Query{Kind: "job"})); got != n {
		t.Errorf("documents = %d, want %d", got, n)
	}
}

func pagesUnderChange(t *testing.T, s docstore.Store) {
	for _, index := range []string{"", "v"} {
		for _, descending := range []bool{false, true} {
			kind := "job" + index + map[bool]string{true: "-desc", false: ""}[descending]
			at := func(id string) docstore.Write {
				return put(kind, id, docstore.AnyRevision, "", docstore.Entry{Name: "v", Value: id})
			}
			for _, id := range []string{"b", "d", "f", "h", "j"} {
				mustCommit(t, s, at(id))
			}
			q := docstore.Query{Kind: kind, Index: index, Descending: descending, Limit: 2}
			first, err := s.List(t.Context(), q)
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			// What was the last of the page goes, so the cursor stands on
			// nothing; some come before it, some behind it.
			mustCommit(t, s, del(kind, first.Docs[1].ID, docstore.AnyRevision), del(kind, "f", docstore.AnyRevision))
			mustCommit(t, s, at("a"), at("c"), at("e"), at("g"), at("i"), at("k"))
			q.After = first.Next
			got := append(ids(first.Docs), ids(list(t, s, q))...)
			want := []string{"b", "d", "e", "g", "h", "i", "j", "k"}
			if descending {
				want = []string{"j", "h", "g", "e", "d", "c", "b", "a"}
			}
			if !slices.Equal(got, want) {
				t.Errorf("index %q, descending %v: %v, want %v", index, descending, got, want)
			}
		}
	}
}

func cursors(t *testing.T, s docstore.Store) {
	for i := range 9 {
		mustCommit(t, s, put("job", name(i), 0, "", docstore.Entry{Name: "v", Value: name(9 - i/3)}))
	}
	for _, index := range []string{"", "v"} {
		for _, descending := range []bool{false, true} {
			q := docstore.Query{Kind: "job", Index: index, Descending: descending}
			all := list(t, s, q)
			for i, doc := range all {
				q.After = doc.Cursor
				got, want := ids(list(t, s, q)), ids(all[i+1:])
				if !slices.Equal(got, want) {
					t.Errorf("index %q, descending %v, behind %s = %v, want %v", index, descending, doc.ID, got, want)
				}
			}
		}
	}
}

func counts(t *testing.T, s docstore.Store) {
	for i := range 30 {
		var index []docstore.Entry
		if i%2 == 0 {
			index = []docstore.Entry{{Name: "v", Value: name(i / 10)}}
		}
		mustCommit(t, s, put("job", name(i), 0, "value", index...))
	}
	mustCommit(t, s, put("jo", "b", 0, "", docstore.Entry{Name: "v", Value: name(1)}))
	for _, tc := range []struct {
		q    docstore.Query
		most int
		want int
	}{
		{docstore.Query{Kind: "job"}, 0, 30},
		{docstore.Query{Kind: "job"}, 29, 29},
		{docstore.Query{Kind: "job"}, 30, 30},
		{docstore.Query{Kind: "job"}, 31, 30},
		{docstore.Query{Kind: "job", From: name(3), Until: name(9)}, 0, 6},
		{docstore.Query{Kind: "job", From: name(3), Until: name(9)}, 5, 5},
		{docstore.Query{Kind: "job", From: name(9), Until: name(3)}, 0, 0},
		{docstore.Query{Kind: "job", Index: "v"}, 0, 15},
		{docstore.Query{Kind: "job", Index: "v", From: name(1)}, 0, 10},
		{docstore.Query{Kind: "job", Index: "v", From: name(1), Until: name(2)}, 0, 5},
		{docstore.Query{Kind: "job", Index: "v", Until: name(1)}, 1, 1},
		{docstore.Query{Kind: "job", Index: "none"}, 0, 0},
		{docstore.Query{Kind: "none"}, 0, 0},
		{docstore.Query{Kind: "job", Limit: -1, After: "ignored", Descending: true}, 0, 30},
		{docstore.Query{Kind: "job", Index: "v", Limit: 1, After: "no cursor", Descending: true}, 0, 15},
	} {
		if got, err := s.Count(t.Context(), tc.q, tc.most); err != nil || got != tc.want {
			t.Errorf("Count of %+v up to %d = %d, %v; want %d", tc.q, tc.most, got, err, tc.want)
		}
	}
	mustCommit(t, s, put("job", name(0), 1, ""), del("job", name(1), 1), del("job", name(2), 1))
	for index, want := range map[string]int{"": 28, "v": 13} {
		if got, err := s.Count(t.Context(), docstore.Query{Kind: "job", Index: index}, 0); err != nil || got != want {
			t.Errorf("Count by %q after changes = %d, %v; want %d", index, got, err, want)
		}
	}
	for _, tc := range []struct {
		q    docstore.Query
		most int
	}{
		{docstore.Query{}, 0},
		{docstore.Query{Kind: "job"}, -1},
		{docstore.Query{Kind: "job", Index: strings.Repeat("k", docstore.MaxKey+1)}, 0},
	} {
		_, err := s.Count(t.Context(), tc.q, tc.most)
		wantKind(t, "Count", err, errs.Invalid)
	}
}

func badQueries(t *testing.T, s docstore.Store) {
	mustCommit(t, s, put("job", "a", 0, "", docstore.Entry{Name: "v", Value: "v"}))
	long := strings.Repeat("k", docstore.MaxKey+1)
	for _, q := range []docstore.Query{
		{},
		{Kind: long},
		{Kind: "job", Index: long},
		{Kind: "job", Limit: -1},
		{Kind: "job", Index: "v", After: "no cursor"},
		{Kind: "job", Index: "v", After: "\x00"},
		{Kind: "job", Index: "v", After: "\x00\x05a"},
	} {
		_, err := s.List(t.Context(), q)
		wantKind(t, "List", err, errs.Invalid)
	}
	if got := list(t, s, docstore.Query{Kind: "none"}); len(got) != 0 {
		t.Errorf("a kind without documents has %v", ids(got))
	}
	wantKind(t, "Get without an id", get(s, "job", ""), errs.NotFound)
	wantKind(t, "Get of a long id", get(s, "job", long), errs.NotFound)
}
