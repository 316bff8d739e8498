package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// model is a docstore.Store that is too simple to be wrong: maps, and a sort
// for every List.
type model struct {
	mu     sync.Mutex
	closed bool
	docs   map[string]map[string]stored // by kind and id
}

type stored struct {
	revision int64
	value    string
	index    []docstore.Entry
}

func newModel() *model { return &model{docs: map[string]map[string]stored{}} }

func (m *model) enter(ctx context.Context) error {
	if m.closed {
		return errs.New(errs.Unavailable, "closed")
	}
	return ctx.Err()
}

// Get implements docstore.Store.
func (m *model) Get(ctx context.Context, kind, id string) (docstore.Doc, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return docstore.Doc{}, err
	}
	d, ok := m.docs[kind][id]
	if !ok {
		return docstore.Doc{}, errs.New(errs.NotFound, "none")
	}
	return docstore.Doc{ID: id, Revision: d.revision, Value: []byte(d.value)}, nil
}

// Commit implements docstore.Store.
func (m *model) Commit(ctx context.Context, writes ...docstore.Write) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return err
	}
	if err := docstore.Validate(writes); err != nil {
		return err
	}
	for _, w := range writes {
		if w.Revision != docstore.AnyRevision && w.Revision != m.docs[w.Kind][w.ID].revision {
			return errs.New(errs.Conflict, "%s %q", w.Kind, w.ID)
		}
	}
	for _, w := range writes {
		if w.Value == nil {
			delete(m.docs[w.Kind], w.ID)
			continue
		}
		if m.docs[w.Kind] == nil {
			m.docs[w.Kind] = map[string]stored{}
		}
		m.docs[w.Kind][w.ID] = stored{m.docs[w.Kind][w.ID].revision + 1, string(w.Value), slices.Clone(w.Index)}
	}
	return nil
}

// List implements docstore.Store.
func (m *model) List(ctx context.Context, q docstore.Query) (docstore.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return docstore.Page{}, err
	}
	if err := q.Validate(); err != nil {
		return docstore.Page{}, err
	}
	type place struct{ value, id string }
	// cursor is "<length of value> <value><id>".
	var after place
	if q.After != "" {
		var n int
		_, err := fmt.Sscanf(q.After, "%d ", &n)
		_, rest, _ := strings.Cut(q.After, " ")
		if err != nil || n < 0 || n >= len(rest) {
			return docstore.Page{}, errs.New(errs.Invalid, "after is no cursor")
		}
		after = place{rest[:n], rest[n:]}
	}
	compare := func(a, b place) int {
		c := strings.Compare(a.value, b.value)
		if c == 0 {
			c = strings.Compare(a.id, b.id)
		}
		if q.Descending {
			return -c
		}
		return c
	}
	var found []place
	for id, d := range m.docs[q.Kind] {
		bounded, p := id, place{"", id}
		if q.Index != "" {
			i := slices.IndexFunc(d.index, func(e docstore.Entry) bool { return e.Name == q.Index })
			if i < 0 {
				continue
			}
			bounded, p = d.index[i].Value, place{d.index[i].Value, id}
		}
		if bounded < q.From || q.Until != "" && bounded >= q.Until || q.After != "" && compare(p, after) <= 0 {
			continue
		}
		found = append(found, p)
	}
	slices.SortFunc(found, compare)
	var page docstore.Page
	size := 0
	for _, p := range found {
		if len(page.Docs) == q.PageLimit() || size >= docstore.MaxPage {
			page.Next = page.Docs[len(page.Docs)-1].Cursor
			break
		}
		d := m.docs[q.Kind][p.id]
		size += len(d.value)
		page.Docs = append(page.Docs, docstore.Doc{
			ID: p.id, Revision: d.revision, Value: []byte(d.value), Cursor: fmt.Sprintf("%d %s%s", len(p.value), p.value, p.id),
		})
	}
	return page, nil
}

// Count implements docstore.Store.
func (m *model) Count(ctx context.Context, q docstore.Query, most int) (int, error) {
	if most < 0 {
		return 0, errs.New(errs.Invalid, "most is negative")
	}
	q.Limit, q.After, q.Descending = 0, "", false
	n := 0
	for {
		page, err := m.List(ctx, q)
		n += len(page.Docs)
		switch q.After = page.Next; {
		case err != nil:
			return 0, err
		case most > 0 && n >= most:
			return most, nil
		case q.After == "":
			return n, nil
		}
	}
}

// Close implements docstore.Store.
func (m *model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func random(t *testing.T, s docstore.Store) {
	r := rand.New(rand.NewPCG(1, 2))
	script := make([]byte, 6000)
	for i := range script {
		script[i] = byte(r.Uint32())
	}
	Compare(t, s, script)
}

// Compare does what script says on s, which must be empty, and on a model of a
// store, and fails t where their answers differ. Every script means something,
// so that a fuzzer can write one.
func Compare(t *testing.T, s docstore.Store, script []byte) {
	t.Helper()
	m := newModel()
	c := chooser{script}
	for step := 0; len(c.rest) > 0; step++ {
		if c.below(4) > 0 {
			writes := c.writes()
			got, want := s.Commit(t.Context(), writes...), m.Commit(t.Context(), writes...)
			if errs.KindOf(got) != errs.KindOf(want) {
				t.Fatalf("step %d: Commit %+v = %v, want %v", step, writes, got, want)
			}
			for _, w := range writes {
				compareDoc(t, s, m, w.Kind, w.ID)
			}
			continue
		}
		q := c.query()
		got, want := list(t, s, q), list(t, m, q)
		if !slices.EqualFunc(got, want, sameDoc) {
			t.Fatalf("step %d: List %+v = %q, want %q", step, q, ids(got), ids(want))
		}
		most := c.below(5)
		n, err := s.Count(t.Context(), q, most)
		if wantN, _ := m.Count(t.Context(), q, most); err != nil || n != wantN {
			t.Fatalf("step %d: Count %+v up to %d = %d, %v; want %d", step, q, most, n, err, wantN)
		}
	}
}

func compareDoc(t *testing.T, s, m docstore.Store, kind, id string) {
	t.Helper()
	got, gotErr := s.Get(t.Context(), kind, id)
	want, wantErr := m.Get(t.Context(), kind, id)
	if errs.KindOf(gotErr) != errs.KindOf(wantErr) || !sameDoc(got, want) {
		t.Fatalf("Get %q %q = %+v, %v; want %+v, %v", kind, id, got, gotErr, want, wantErr)
	}
}

func sameDoc(a, b docstore.Doc) bool {
	return a.ID == b.ID && a.Revision == b.Revision && string(a.Value) == string(b.Value)
}

// chooser turns bytes into choices. Few different kinds, ids and values make
// them meet.
type chooser struct{ rest []byte }

func (c *chooser) below(n int) int {
	if len(c.rest) == 0 {
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return int(b) % n
}

func (c *chooser) kind() string  { return []string{"job", "jo"}[c.below(2)] }
func (c *chooser) index() string { return []string{"v", "bv"}[c.below(2)] }
func (c *chooser) value() string { return nastyValues[c.below(len(nastyValues))] }
func (c *chooser) id() string    { return nastyIDs[c.below(len(nastyIDs))] }

func (c *chooser) writes() []docstore.Write {
	var writes []docstore.Write
	for range 1 + c.below(3) {
		w := del(c.kind(), c.id(), int64(c.below(5))-1)
		if c.below(4) > 0 {
			w.Value = []byte(c.value())
			for range c.below(3) {
				w.Index = append(w.Index, docstore.Entry{Name: c.index(), Value: c.value()})
			}
		}
		writes = append(writes, w)
	}
	return writes
}

func (c *chooser) query() docstore.Query {
	q := docstore.Query{Kind: c.kind(), Limit: c.below(5), Descending: c.below(2) == 1}
	if c.below(3) > 0 {
		q.Index = c.index()
	}
	if c.below(2) == 1 {
		q.From = c.value()
	}
	if c.below(2) == 1 {
		q.Until = c.value()
	}
	return q
}
