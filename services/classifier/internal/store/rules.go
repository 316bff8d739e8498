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

// Rules keeps the rules that were made or changed over the API, and their
// revisions.
type Rules struct {
	store     docstore.Store
	commit    Committer
	records   docstore.Collection[keptRule]
	revisions docstore.Collection[*redrivev1.RuleRevision]
}

type keptRule struct {
	*redrivev1.RuleRecord
	revision int64
}

// NewRules returns the rules in s; changes go through c.
func NewRules(s docstore.Store, c Committer) *Rules {
	return &Rules{store: s, commit: c, revisions: newRevisions(s), records: docstore.NewCollection(s, ruleKind, docstore.Codec[keptRule]{
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

// Commit implements book.Store.
func (s *Rules) Commit(ctx context.Context, now time.Time, steps ...book.Step) error {
	var writes []docstore.Write
	for _, step := range steps {
		write, err := s.write(step)
		if err != nil {
			return err
		}
		noted, err := s.noted(step.Revision)
		if err != nil {
			return err
		}
		writes = append(append(writes, write), noted...)
	}
	// Whoever hears of one change reads all rules, so that one event does. A
	// rule that was deleted long ago may come again with the revision that it had.
	first := steps[0].Revision
	id := fmt.Sprintf("%s@%d-%s", first.Rule.ID, first.Number, rand.Text()[:8])
	e, err := bus.NewEvent(bus.RuleChanged, id, Source, "", now, &redrivev1.RuleChanged{Rule: wire.RuleName(first.Rule.ID), Revision: first.Number})
	if err != nil {
		return err
	}
	return s.commit.Commit(ctx, []bus.Event{e}, writes...)
}

func (s *Rules) write(step book.Step) (docstore.Write, error) {
	e := step.Entry
	if step.Gone {
		return s.records.Delete(e.Rule.ID, e.Version), nil
	}
	return s.records.Write(e.Rule.ID, e.Version, keptRule{&redrivev1.RuleRecord{
		Rule: wire.Rule(e.Rule), Deleted: e.Deleted, RequestId: e.RequestID, RequestDigest: e.RequestDigest,
	}, e.Version})
}
