package storetest

import (
	"strconv"
	"sync"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

func counter(t *testing.T, s docstore.Store) {
	const workers, each = 10, 100
	increment := func() error {
		for {
			doc, err := s.Get(t.Context(), "counter", "c")
			if err != nil && !errs.Is(err, errs.NotFound) {
				return err
			}
			n := 0
			if err == nil {
				if n, err = strconv.Atoi(string(doc.Value)); err != nil {
					return err
				}
			}
			err = s.Commit(t.Context(), put("counter", "c", doc.Revision, strconv.Itoa(n+1)))
			if !errs.Is(err, errs.Conflict) {
				return err
			}
		}
	}
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for range each {
				if err := increment(); err != nil {
					t.Errorf("increment: %v", err)
					return
				}
			}
		})
	}
	wait.Wait()
	wantDoc(t, s, "counter", "c", workers*each, strconv.Itoa(workers*each))
}

// wholeCommits has writers that move all documents of a pair to one value, and
// readers that must never see two values.
func wholeCommits(t *testing.T, s docstore.Store) {
	const rounds = 100
	pair := func(v string) []docstore.Write {
		entry := docstore.Entry{Name: "v", Value: v}
		return []docstore.Write{put("pair", "left", docstore.AnyRevision, v, entry), put("pair", "right", docstore.AnyRevision, v, entry)}
	}
	mustCommit(t, s, pair("0")...)
	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	for _, index := range []string{"", "v"} {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				page, err := s.List(t.Context(), docstore.Query{Kind: "pair", Index: index})
				if err != nil || len(page.Docs) != 2 || string(page.Docs[0].Value) != string(page.Docs[1].Value) {
					t.Errorf("List by %q = %+v, %v; want two documents of one value", index, page.Docs, err)
					return
				}
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for i := range rounds {
				if err := s.Commit(t.Context(), pair(strconv.Itoa(w*rounds+i))...); err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	doc, err := s.Get(t.Context(), "pair", "left")
	if err != nil || doc.Revision != 4*rounds+1 {
		t.Errorf("revision = %d, %v; want %d", doc.Revision, err, 4*rounds+1)
	}
}
