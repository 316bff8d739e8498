package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

const ruleKind = Service + ".rule"

// Rules keeps the rules that were made or changed over the API.
type Rules struct {
	commit  Committer
	records docstore.Collection[keptRule]
}

type keptRule struct {
	*redrivev1.RuleRecord
	revision int64
}

// NewRules returns the rules in s; changes go through c.
func NewRules(s docstore.Store, c Committer) *Rules {
	return &Rules{commit: c, records: docstore.NewCollection(s, ruleKind, docstore.Codec[keptRule]{
		Encode: func(k keptRule) ([]byte, error) { return proto.Marshal(k.RuleRecord) },
		Decode: func(doc docstore.Doc) (keptRule, error) {
			k := keptRule{&redrivev1.RuleRecord{}, doc.Revision}
			return k, proto.Unmarshal(doc.Value, k.RuleRecord)
		},
	})}
}

// Get implements book.Store.
func (s *Rules) Get(ctx context.Context, id string) (book.Entry, error) {
	k, err := s.records.Get(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return book.Entry{}, errs.New(errs.NotFound, "%s does not exist", wire.RuleName(id))
	}
	if err != nil {
		return book.Entry{}, err
	}
	return entry(k), nil
}

// List implements book.Store.
func (s *Rules) List(ctx context.Context) ([]book.Entry, error) {
	var all []book.Entry
	for q := (docstore.Query{}); ; {
		found, next, err := s.records.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, k := range found {
			all = append(all, entry(k))
		}
		if next == "" || len(all) > rule.MaxRules {
			return all, nil
		}
		q.After = next
	}
}

func entry(k keptRule) book.Entry {
	return book.Entry{
		Rule: wire.RuleFromProto(k.GetRule()), Deleted: k.GetDeleted(), Version: k.revision,
		RequestID: k.GetRequestId(), RequestDigest: k.GetRequestDigest(),
	}
}

// Put implements book.Store.
func (s *Rules) Put(ctx context.Context, e book.Entry, now time.Time) error {
	write, err := s.records.Write(e.Rule.ID, e.Version, keptRule{&redrivev1.RuleRecord{
		Rule: wire.Rule(e.Rule), Deleted: e.Deleted, RequestId: e.RequestID, RequestDigest: e.RequestDigest,
	}, e.Version})
	if err != nil {
		return err
	}
	return s.change(ctx, e.Rule, write, now)
}

// Delete implements book.Store.
func (s *Rules) Delete(ctx context.Context, e book.Entry, now time.Time) error {
	return s.change(ctx, e.Rule, s.records.Delete(e.Rule.ID, e.Version), now)
}

func (s *Rules) change(ctx context.Context, r rule.Rule, w docstore.Write, now time.Time) error {
	// A rule may come again with the revision of one that was deleted.
	id := fmt.Sprintf("%s@%d-%s", r.ID, r.Revision, rand.Text()[:8])
	e, err := bus.NewEvent(bus.RuleChanged, id, Source, "", now, &redrivev1.RuleChanged{Rule: wire.RuleName(r.ID), Revision: r.Revision})
	if err != nil {
		return err
	}
	return s.commit.Commit(ctx, []bus.Event{e}, w)
}
