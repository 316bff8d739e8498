package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

func revisions(t *testing.T, s docstore.Store) {
	wantKind(t, "Get of what never was", get(s, "job", "a"), errs.NotFound)
	mustCommit(t, s, put("job", "a", docstore.Absent, "one"))
	wantDoc(t, s, "job", "a", 1, "one")
	mustCommit(t, s, put("job", "a", 1, "two"))
	wantDoc(t, s, "job", "a", 2, "two")
	mustCommit(t, s, put("job", "a", docstore.AnyRevision, "two"))
	wantDoc(t, s, "job", "a", 3, "two")
	wantKind(t, "the same id in another kind", get(s, "jo", "ba"), errs.NotFound)
	mustCommit(t, s, del("job", "a", 3))
	wantKind(t, "Get of the deleted", get(s, "job", "a"), errs.NotFound)
	mustCommit(t, s, put("job", "a", docstore.Absent, "again"))
	wantDoc(t, s, "job", "a", 1, "again")
}

func expectations(t *testing.T, s docstore.Store) {
	for _, tc := range []struct {
		name   string
		stored bool // at revision 2
		rev    int64
		want   errs.Kind
	}{
		{"absent and it is", false, docstore.Absent, errs.None},
		{"absent and it is there", true, docstore.Absent, errs.Conflict},
		{"any and it is not there", false, docstore.AnyRevision, errs.None},
		{"any and it is there", true, docstore.AnyRevision, errs.None},
		{"the right revision", true, 2, errs.None},
		{"an older revision", true, 1, errs.Conflict},
		{"a newer revision", true, 3, errs.Conflict},
		{"a revision of what is not there", false, 1, errs.Conflict},
		{"no revision at all", true, -2, errs.Invalid},
	} {
		for _, w := range []docstore.Write{put("job", "a", tc.rev, "new"), del("job", "a", tc.rev)} {
			what := "put: " + tc.name
			if w.Value == nil {
				what = "delete: " + tc.name
			}
			mustCommit(t, s, del("job", "a", docstore.AnyRevision))
			if tc.stored {
				mustCommit(t, s, put("job", "a", docstore.Absent, "old"))
				mustCommit(t, s, put("job", "a", 1, "old"))
			}
			wantKind(t, what, s.Commit(t.Context(), w), tc.want)
			switch {
			case tc.want != errs.None && tc.stored:
				wantDoc(t, s, "job", "a", 2, "old")
			case tc.want != errs.None || w.Value == nil:
				wantKind(t, what+": Get", get(s, "job", "a"), errs.NotFound)
			case tc.stored:
				wantDoc(t, s, "job", "a", 3, "new")
			default:
				wantDoc(t, s, "job", "a", 1, "new")
			}
		}
	}
}

func values(t *testing.T, s docstore.Store) {
	mustCommit(t, s)
	value := []byte("mine")
	mustCommit(t, s, put("job", "empty", docstore.Absent, ""), docstore.Write{Kind: "job", ID: "a", Value: value})
	wantDoc(t, s, "job", "empty", 1, "")
	copy(value, "gone")
	doc, err := s.Get(t.Context(), "job", "a")
	if err != nil || string(doc.Value) != "mine" {
		t.Fatalf("Get = %q, %v; want what was committed", doc.Value, err)
	}
	copy(doc.Value, "gone")
	page, err := s.List(t.Context(), docstore.Query{Kind: "job"})
	if err != nil || len(page.Docs) != 2 || string(page.Docs[0].Value) != "mine" {
		t.Fatalf("List = %+v, %v; want a and empty", page, err)
	}
	copy(page.Docs[0].Value, "gone")
	wantDoc(t, s, "job", "a", 1, "mine")
	nasty := "\x00\xff\x00\x01/é\n"
	mustCommit(t, s, put(nasty, nasty, docstore.Absent, nasty, docstore.Entry{Name: nasty, Value: nasty}))
	wantDoc(t, s, nasty, nasty, 1, nasty)
}

func atomicity(t *testing.T, s docstore.Store) {
	entry := docstore.Entry{Name: "state", Value: "open"}
	mustCommit(t, s, put("job", "a", docstore.Absent, "1", entry), put("outbox", "e1", docstore.Absent, "1"), put("inbox", "k", docstore.Absent, ""))
	wantKind(t, "a conflict in the last write", s.Commit(t.Context(),
		put("job", "a", 1, "2", docstore.Entry{Name: "state", Value: "shut"}),
		put("job", "b", docstore.Absent, "2", entry),
		del("outbox", "e1", 1),
		put("outbox", "e2", docstore.Absent, "2"),
		put("inbox", "k", docstore.Absent, ""),
	), errs.Conflict)
	wantDoc(t, s, "job", "a", 1, "1")
	wantDoc(t, s, "outbox", "e1", 1, "1")
	wantKind(t, "Get of b", get(s, "job", "b"), errs.NotFound)
	wantKind(t, "Get of e2", get(s, "outbox", "e2"), errs.NotFound)
	if got := ids(list(t, s, docstore.Query{Kind: "job", Index: "state"})); len(got) != 1 || got[0] != "a" {
		t.Errorf("index after the conflict = %v, want a alone", got)
	}
	if got := list(t, s, docstore.Query{Kind: "job", Index: "state", From: "shut"}); len(got) != 0 {
		t.Errorf("index has %v from a commit that was not done", ids(got))
	}
	mustCommit(t, s, put("job", "a", 1, "2"), del("outbox", "e1", 1), put("outbox", "e2", docstore.Absent, "2"))
	wantDoc(t, s, "job", "a", 2, "2")
	wantKind(t, "Get of e1", get(s, "outbox", "e1"), errs.NotFound)
	wantDoc(t, s, "outbox", "e2", 1, "2")
}

func duplicates(t *testing.T, s docstore.Store) {
	wantKind(t, "two puts", s.Commit(t.Context(), put("job", "a", docstore.AnyRevision, "1"), put("job", "a", docstore.AnyRevision, "2")), errs.Invalid)
	wantKind(t, "a put and a delete", s.Commit(t.Context(), put("job", "a", docstore.Absent, "1"), del("job", "a", 1)), errs.Invalid)
	wantKind(t, "Get", get(s, "job", "a"), errs.NotFound)
	mustCommit(t, s, put("job", "a", docstore.Absent, "1"), put("jo", "ba", docstore.Absent, "2"))
}

func limits(t *testing.T, s docstore.Store) {
	long, longest := strings.Repeat("k", docstore.MaxKey+1), strings.Repeat("\x00", docstore.MaxKey)
	entry := func(name, value string) docstore.Entry { return docstore.Entry{Name: name, Value: value} }
	entries := func(n int) []docstore.Entry {
		all := make([]docstore.Entry, 0, n)
		for i := range n {
			all = append(all, entry(name(i), ""))
		}
		return all
	}
	puts := func(n int, value string) []docstore.Write {
		all := make([]docstore.Write, 0, n)
		for i := range n {
			all = append(all, put("many", strings.Repeat("x", i%500+1)+digits(i), docstore.AnyRevision, value))
		}
		return all
	}
	big := strings.Repeat("v", docstore.MaxValue)
	for _, tc := range []struct {
		name   string
		writes []docstore.Write
		want   errs.Kind
	}{
		{"no kind", []docstore.Write{put("", "a", 0, "")}, errs.Invalid},
		{"no id", []docstore.Write{put("job", "", 0, "")}, errs.Invalid},
		{"kind too long", []docstore.Write{put(long, "a", 0, "")}, errs.Invalid},
		{"id too long", []docstore.Write{put("job", long, 0, "")}, errs.Invalid},
		{"no index name", []docstore.Write{put("job", "a", 0, "", entry("", "v"))}, errs.Invalid},
		{"index name too long", []docstore.Write{put("job", "a", 0, "", entry(long, "v"))}, errs.Invalid},
		{"index value too long", []docstore.Write{put("job", "a", 0, "", entry("i", long))}, errs.Invalid},
		{"an index twice", []docstore.Write{put("job", "a", 0, "", entry("i", "1"), entry("i", "2"))}, errs.Invalid},
		{"too many entries", []docstore.Write{put("job", "a", 0, "", entries(docstore.MaxEntries+1)...)}, errs.Invalid},
		{"value too long", []docstore.Write{put("job", "a", 0, big+"v")}, errs.Invalid},
		{"commit too long", puts(docstore.MaxCommit/docstore.MaxValue+1, big), errs.Invalid},
		{"too many writes", puts(docstore.MaxWrites+1, ""), errs.Invalid},
		{"the longest of everything", []docstore.Write{put(longest, longest, 0, big, entry(longest, longest))}, errs.None},
		{"most entries", []docstore.Write{put("job", "entries", 0, "", entries(docstore.MaxEntries)...)}, errs.None},
		{"most writes", puts(docstore.MaxWrites, ""), errs.None},
	} {
		wantKind(t, tc.name, s.Commit(t.Context(), tc.writes...), tc.want)
	}
	wantKind(t, "Get of a", get(s, "job", "a"), errs.NotFound)
	wantDoc(t, s, longest, longest, 1, big)
	if got := list(t, s, docstore.Query{Kind: longest, Index: longest}); len(got) != 1 || got[0].ID != longest {
		t.Errorf("the longest document is not found by its index")
	}
	// As many and as long as they may be, all entries give way to others.
	full := func(value string) []docstore.Entry {
		all := make([]docstore.Entry, 0, docstore.MaxEntries)
		for i := range docstore.MaxEntries {
			all = append(all, entry(longest[:docstore.MaxKey-3]+name(i), value))
		}
		return all
	}
	mustCommit(t, s, put("job", longest, 0, "", full(longest)...))
	mustCommit(t, s, put("job", longest, 1, "", full(longest[1:])...))
	for _, e := range full("") {
		q := docstore.Query{Kind: "job", Index: e.Name}
		if got, from := len(list(t, s, q)), len(list(t, s, docstore.Query{Kind: "job", Index: e.Name, From: longest})); got != 1 || from != 0 {
			t.Errorf("entries of the longest document after a change = %d, %d of them old; want 1 new", got, from)
		}
	}
	mustCommit(t, s, del("job", longest, 2))
	for _, e := range full("") {
		if got := list(t, s, docstore.Query{Kind: "job", Index: e.Name}); len(got) != 0 {
			t.Errorf("a deleted document is still in an index")
		}
	}
}

func endedContext(t *testing.T, s docstore.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, put("job", "a", docstore.Absent, "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit = %v, want context.Canceled", err)
	}
	if _, err := s.Get(ctx, "job", "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get = %v, want context.Canceled", err)
	}
	if _, err := s.List(ctx, docstore.Query{Kind: "job"}); !errors.Is(err, context.Canceled) {
		t.Errorf("List = %v, want context.Canceled", err)
	}
	if _, err := s.Count(ctx, docstore.Query{Kind: "job"}, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Count = %v, want context.Canceled", err)
	}
	wantKind(t, "Get", get(s, "job", "a"), errs.NotFound)
}

func closed(t *testing.T, s docstore.Store) {
	mustCommit(t, s, put("job", "a", docstore.Absent, "1"))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	_, err := s.List(t.Context(), docstore.Query{Kind: "job"})
	wantKind(t, "List", err, errs.Unavailable)
	_, err = s.Count(t.Context(), docstore.Query{Kind: "job"}, 0)
	wantKind(t, "Count", err, errs.Unavailable)
	wantKind(t, "Get", get(s, "job", "a"), errs.Unavailable)
	wantKind(t, "Commit", s.Commit(t.Context(), put("job", "a", 1, "2")), errs.Unavailable)
}
