package docstore_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
)

// job is a value like those of the services: it knows its id and revision.
type job struct {
	id       string
	revision int64
	state    string
	due      int
}

func jobs(s docstore.Store) docstore.Collection[job] {
	return docstore.NewCollection(s, "test.job", docstore.Codec[job]{
		Encode: func(j job) ([]byte, error) {
			if j.state == "unencodable" {
				return nil, errs.New(errs.Invalid, "no")
			}
			return []byte(j.state), nil
		},
		Decode: func(d docstore.Doc) (job, error) {
			if string(d.Value) == "undecodable" {
				return job{}, errors.New("no")
			}
			return job{id: d.ID, revision: d.Revision, state: string(d.Value)}, nil
		},
		Index: func(j job) []docstore.Entry {
			return []docstore.Entry{{Name: "due", Value: strconv.Itoa(j.due)}}
		},
	})
}

func TestCollection(t *testing.T) {
	store := storetest.Open(t)
	c := jobs(store)
	_, err := c.Get(t.Context(), "a")
	if !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "test.job") || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("Get of nothing = %v, want NotFound that names kind and id", err)
	}
	commit := func(writes ...docstore.Write) {
		t.Helper()
		if err := store.Commit(t.Context(), writes...); err != nil {
			t.Fatalf("Commit: %v", err)
		}
	}
	write := func(id string, rev int64, j job) docstore.Write {
		t.Helper()
		w, err := c.Write(id, rev, j)
		if err != nil {
			t.Fatalf("Write: %v", err)
		}
		return w
	}
	commit(write("a", docstore.Absent, job{state: "new", due: 2}), write("b", docstore.Absent, job{state: "", due: 1}))
	commit(write("a", 1, job{state: "old", due: 2}))
	if got, err := c.Get(t.Context(), "a"); err != nil || got != (job{id: "a", revision: 2, state: "old"}) {
		t.Errorf("Get = %+v, %v; want a at revision 2", got, err)
	}
	if got, err := c.Get(t.Context(), "b"); err != nil || got.state != "" {
		t.Errorf("Get of an empty value = %+v, %v; want it to be there", got, err)
	}
	items, next, err := c.List(t.Context(), docstore.Query{Index: "due", Limit: 1})
	if err != nil || len(items) != 1 || items[0].id != "b" || next == "" {
		t.Errorf("List = %+v, %q, %v; want b and a next page", items, next, err)
	}
	items, next, err = c.List(t.Context(), docstore.Query{Index: "due", Limit: 1, After: next})
	if err != nil || len(items) != 1 || items[0].id != "a" || next != "" {
		t.Errorf("List = %+v, %q, %v; want a and the end", items, next, err)
	}
	commit(c.Delete("a", 2))
	if _, err := c.Get(t.Context(), "a"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of the deleted = %v, want NotFound", err)
	}
	if _, err := c.Write("x", docstore.Absent, job{state: "unencodable"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("Write = %v, want the codec's Invalid", err)
	}
	commit(write("c", docstore.Absent, job{state: "undecodable"}))
	if _, err := c.Get(t.Context(), "c"); !errs.Is(err, errs.Internal) {
		t.Errorf("Get of what cannot be decoded = %v, want Internal", err)
	}
	if _, _, err := c.List(t.Context(), docstore.Query{}); !errs.Is(err, errs.Internal) {
		t.Errorf("List of what cannot be decoded = %v, want Internal", err)
	}
}

func TestFindPagesThroughWhatItKeeps(t *testing.T) {
	store := storetest.Open(t)
	c := jobs(store)
	var want []string
	var writes []docstore.Write
	for i := range 1000 {
		id := strconv.Itoa(1000 + i)
		state := "dull"
		if i%7 == 0 {
			state = "wanted"
			want = append(want, id)
		}
		w, err := c.Write(id, docstore.Absent, job{state: state})
		if err != nil {
			t.Fatal(err)
		}
		writes = append(writes, w)
	}
	if err := store.Commit(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	wanted := func(j job) bool { return j.state == "wanted" }
	for _, limit := range []int{0, 1, 2, 29, len(want), 500} {
		var got []string
		q := docstore.Query{Limit: limit}
		for {
			items, next, err := c.Find(t.Context(), q, wanted)
			if err != nil || limit > 0 && len(items) > limit {
				t.Fatalf("Find with limit %d = %d items, %v", limit, len(items), err)
			}
			for _, j := range items {
				got = append(got, j.id)
			}
			if next == "" {
				break
			}
			q.After = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: found %d, want %d in order", limit, len(got), len(want))
		}
	}
	if _, _, err := c.Find(t.Context(), docstore.Query{Limit: -1}, wanted); !errs.Is(err, errs.Invalid) {
		t.Errorf("Find with a negative limit = %v, want Invalid", err)
	}
}

func TestTimeKeysSortAsTimes(t *testing.T) {
	zone := time.FixedZone("far", 9*3600)
	base := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	times := []time.Time{
		time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC),
		{},
		time.Unix(0, 0),
		base.Add(-time.Nanosecond),
		base,
		base.Add(time.Nanosecond).In(zone),
		base.Add(time.Microsecond),
		base.Add(9 * time.Hour).In(zone),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_998, time.UTC),
		time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for i, tm := range times {
		key := docstore.TimeKey(tm)
		if len(key) != len(docstore.TimeKey(base)) {
			t.Errorf("TimeKey(%v) = %q, want the width of all others", tm, key)
		}
		if i > 0 && key <= docstore.TimeKey(times[i-1]) {
			t.Errorf("TimeKey(%v) = %q, want more than %q", tm, key, docstore.TimeKey(times[i-1]))
		}
		got, ok := docstore.KeyTime(key)
		if inRange := i > 0 && i < len(times)-1; !ok || inRange && !got.Equal(tm) {
			t.Errorf("KeyTime(%q) = %v, %v; want %v", key, got, ok, tm)
		}
	}
	for _, bad := range []string{"", "2026", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00.0000000000Z"} {
		if _, ok := docstore.KeyTime(bad); ok {
			t.Errorf("KeyTime(%q) is a time", bad)
		}
	}
}

func TestPaging(t *testing.T) {
	for _, tc := range []struct {
		size int32
		want int
	}{{0, 50}, {1, 1}, {1000, 1000}, {1001, 1000}, {1 << 30, 1000}} {
		p, err := docstore.NewPaging(tc.size, "", "failures")
		if got := p.Query(docstore.Query{Index: "time"}); err != nil || got.Limit != tc.want || got.After != "" || got.Index != "time" {
			t.Errorf("page_size %d = %+v, %v; want limit %d", tc.size, got, err, tc.want)
		}
	}
	p, err := docstore.NewPaging(10, "", "failures", "a", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Token(""); got != "" {
		t.Errorf("token of the end = %q, want none", got)
	}
	const cursor = "\x00\xffplace"
	token := p.Token(cursor)
	next, err := docstore.NewPaging(20, token, "failures", "a", "")
	if got := next.Query(docstore.Query{}); err != nil || got.After != cursor || got.Limit != 20 {
		t.Errorf("the next page = %+v, %v; want it behind %q; the size may change", got, err, cursor)
	}
	for _, tc := range []struct {
		name, field, token string
		size               int32
		args               []string
	}{
		{"negative size", "page_size", "", -1, []string{"failures", "a", ""}},
		{"other arguments", "page_token", token, 1, []string{"failures", "b", ""}},
		{"arguments cut otherwise", "page_token", token, 1, []string{"failures", "", "a"}},
		{"fewer arguments", "page_token", token, 1, []string{"failures", "a"}},
		{"not base64", "page_token", "???", 1, []string{"failures", "a", ""}},
		{"changed", "page_token", "A" + token, 1, []string{"failures", "a", ""}},
		{"a digest alone", "page_token", token[:11], 1, []string{"failures", "a", ""}},
		{"too long", "page_token", token + strings.Repeat("A", 10_000), 1, []string{"failures", "a", ""}},
	} {
		_, err := docstore.NewPaging(tc.size, tc.token, tc.args...)
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || e.Kind != errs.Invalid || len(e.Violations) != 1 || e.Violations[0].Field != tc.field {
			t.Errorf("%s: %v, want a violation of %s", tc.name, err, tc.field)
		}
	}
}

func FuzzPageToken(f *testing.F) {
	p, err := docstore.NewPaging(10, "", "jobs", "arg")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.Token("cursor"))
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAA")
	f.Add(base64.StdEncoding.EncodeToString([]byte("other alphabet??>>")))
	f.Fuzz(func(t *testing.T, token string) {
		p, err := docstore.NewPaging(10, token, "jobs", "arg")
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("error = %v, want Invalid", err)
			}
			return
		}
		if again := p.Token(p.Query(docstore.Query{}).After); again != token {
			t.Errorf("token %q was read and is written as %q", token, again)
		}
	})
}
