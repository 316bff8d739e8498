package redisstore

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
	"github.com/redrive-io/redrive/pkg/errs"
)

//go:embed list.lua
var listScript string

// maxListed documents are read in one go: the server does nothing else
// meanwhile.
const maxListed = 2000

// List implements docstore.Store. A page is one moment of the store, and has at
// most 2,000 documents.
func (s *Store) List(ctx context.Context, q docstore.Query) (docstore.Page, error) {
	page, err := s.list(ctx, q)
	if err != nil {
		s.metrics.Count("list", err)
		return docstore.Page{}, fmt.Errorf("list %s: %w", q.Kind, err)
	}
	return page, nil
}

func (s *Store) list(ctx context.Context, q docstore.Query) (docstore.Page, error) {
	if err := q.Validate(); err != nil {
		return docstore.Page{}, err
	}
	w, err := driver.WindowOf(q)
	if err != nil {
		return docstore.Page{}, err
	}
	members, direction := "id", "up"
	if q.Index != "" {
		members = "index"
	}
	if q.Descending {
		direction = "down"
	}
	low, high := lexBounds(w)
	var reply []any
	err = s.read(ctx, func(ctx context.Context) error {
		var err error
		reply, err = s.lists.Run(ctx, s.client, []string{s.orderKey(q)}, members, s.docPrefix(q.Kind), low, high, direction,
			min(q.PageLimit(), maxListed), docstore.MaxPage).Slice()
		return err
	})
	if err != nil {
		return docstore.Page{}, err
	}
	return pageOf(reply, q.Index != "")
}

// pageOf reads the answer of list.lua.
func pageOf(reply []any, byIndex bool) (docstore.Page, error) {
	damaged := errs.New(errs.Internal, "list.lua returned what is no page")
	if len(reply)%2 != 1 {
		return docstore.Page{}, damaged
	}
	more, _ := reply[0].(int64)
	var page docstore.Page
	for i := 1; i < len(reply); i += 2 {
		member, ok1 := reply[i].(string)
		record, ok2 := reply[i+1].(string)
		id, ok3 := []byte(member), true
		if byIndex {
			id, ok3 = driver.IDOfIndexKey(id)
		}
		if !ok1 || !ok2 || !ok3 {
			return docstore.Page{}, damaged
		}
		doc, err := docOf(string(id), []byte(record))
		if err != nil {
			return docstore.Page{}, err
		}
		doc.Cursor = member
		page.Docs = append(page.Docs, doc)
	}
	if more == 1 {
		if len(page.Docs) == 0 {
			return docstore.Page{}, damaged
		}
		page.Next = page.Docs[len(page.Docs)-1].Cursor
	}
	return page, nil
}

// orderKey is the sorted set that q follows.
func (s *Store) orderKey(q docstore.Query) string {
	if q.Index == "" {
		return s.idsKey(q.Kind)
	}
	return s.indexPrefix(q.Kind) + q.Index
}

// Count implements docstore.Store. The server counts without walking.
func (s *Store) Count(ctx context.Context, q docstore.Query, most int) (int, error) {
	n, err := s.count(ctx, q, most)
	if err != nil {
		s.metrics.Count("count", err)
		return 0, fmt.Errorf("count %s: %w", q.Kind, err)
	}
	return n, nil
}

func (s *Store) count(ctx context.Context, q docstore.Query, most int) (int, error) {
	q, err := q.ForCount(most)
	if err != nil {
		return 0, err
	}
	w, err := driver.WindowOf(q)
	if err != nil {
		return 0, err
	}
	low, high := lexBounds(w)
	var n *redis.IntCmd
	err = s.read(ctx, func(ctx context.Context) error {
		n = s.client.ZLexCount(ctx, s.orderKey(q), low, high)
		return n.Err()
	})
	if err != nil {
		return 0, err
	}
	if most > 0 && n.Val() > int64(most) {
		return most, nil
	}
	return int(n.Val()), nil
}
