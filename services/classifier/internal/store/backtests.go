package store

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/backtest"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

const backtestKind = Service + ".backtest"

// The indexes of backtests; all end with the time.
const (
	byRunning = "running" // of those that run
	byDigest  = "digest"  // of those that are done and tried a rule
)

// Backtests keeps backtests.
type Backtests struct {
	store   docstore.Store
	records docstore.Collection[keptBacktest]
}

type keptBacktest struct {
	*redrivev1.BacktestRecord
	revision int64
}

// NewBacktests returns the backtests in s.
func NewBacktests(s docstore.Store) *Backtests {
	return &Backtests{s, docstore.NewCollection(s, backtestKind, docstore.Codec[keptBacktest]{
		Encode: func(k keptBacktest) ([]byte, error) { return proto.Marshal(k.BacktestRecord) },
		Decode: func(doc docstore.Doc) (keptBacktest, error) {
			k := keptBacktest{&redrivev1.BacktestRecord{}, doc.Revision}
			return k, proto.Unmarshal(doc.Value, k.BacktestRecord)
		},
		Index: backtestIndex,
	})}
}

func backtestIndex(k keptBacktest) []docstore.Entry {
	b := k.GetBacktest()
	at := docstore.TimeKey(b.GetCreateTime().AsTime())
	all := []docstore.Entry{{Name: byTime, Value: at}}
	switch {
	case b.GetState() == redrivev1.Backtest_STATE_RUNNING:
		all = append(all, docstore.Entry{Name: byRunning, Value: at})
	case b.GetState() == redrivev1.Backtest_STATE_DONE && b.GetDigest() != "":
		all = append(all, docstore.Entry{Name: byDigest, Value: b.GetDigest() + sep + at})
	}
	return all
}

func (k keptBacktest) backtest() backtest.Backtest {
	b := wire.BacktestFromProto(k.GetBacktest())
	b.Cursor, b.Version = string(k.GetCursor()), k.revision
	return b
}

// Get implements backtest.Store.
func (s *Backtests) Get(ctx context.Context, id string) (backtest.Backtest, error) {
	k, err := s.records.Get(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return backtest.Backtest{}, errs.New(errs.NotFound, "%s does not exist", backtest.Name(id))
	}
	if err != nil {
		return backtest.Backtest{}, err
	}
	return k.backtest(), nil
}

// Running implements backtest.Store.
func (s *Backtests) Running(ctx context.Context) ([]backtest.Backtest, error) {
	found, _, err := s.records.List(ctx, docstore.Query{Index: byRunning})
	return backtestsOf(found), err
}

// List returns backtests, newest first, and the cursor of the next page.
func (s *Backtests) List(ctx context.Context, p docstore.Paging) ([]backtest.Backtest, string, error) {
	found, next, err := s.records.List(ctx, p.Query(docstore.Query{Index: byTime, Descending: true}))
	return backtestsOf(found), p.Token(next), err
}

func backtestsOf(found []keptBacktest) []backtest.Backtest {
	all := make([]backtest.Backtest, len(found))
	for i, k := range found {
		all[i] = k.backtest()
	}
	return all
}

// Proof implements backtest.Store.
func (s *Backtests) Proof(ctx context.Context, digest string) (backtest.Backtest, error) {
	found, _, err := s.records.List(ctx, docstore.Query{Index: byDigest, From: digest + sep, Until: digest + "\x01", Descending: true, Limit: 1})
	if err != nil {
		return backtest.Backtest{}, err
	}
	if len(found) == 0 {
		return backtest.Backtest{}, errs.New(errs.NotFound, "no backtest of %s is done", digest)
	}
	return found[0].backtest(), nil
}

// Put implements backtest.Store.
func (s *Backtests) Put(ctx context.Context, b backtest.Backtest, remarks ...backtest.Remark) (backtest.Backtest, error) {
	write, err := s.records.Write(b.ID, b.Version, keptBacktest{&redrivev1.BacktestRecord{Backtest: wire.Backtest(b), Cursor: []byte(b.Cursor)}, b.Version})
	if err != nil {
		return b, err
	}
	writes := []docstore.Write{write}
	for _, r := range remarks {
		w := docstore.Write{Kind: remarkKind, ID: r.Failure, Revision: docstore.AnyRevision}
		if !r.None {
			w.Value, err = proto.Marshal(&redrivev1.Reclassification{
				Class: string(r.Said.Class), Rule: wire.RuleName(r.Said.Rule), RuleRevision: r.Revision, Verdict: redrivev1.Verdict(r.Said.Verdict),
				Time: wellknown.Timestamp(time.Now()),
			})
			if err != nil {
				return b, errs.New(errs.Internal, "encode what is noted of failure %q: %w", r.Failure, err)
			}
		}
		writes = append(writes, w)
	}
	if err := s.store.Commit(ctx, writes...); err != nil {
		return b, err
	}
	b.Version++
	return b, nil
}

// Purge implements backtest.Store.
func (s *Backtests) Purge(ctx context.Context, before time.Time, most int) error {
	all, _, err := s.records.List(ctx, docstore.Query{Index: byTime, Descending: true, Limit: most + docstore.MaxWrites})
	if err != nil {
		return err
	}
	var writes []docstore.Write
	for i, k := range all {
		b := k.backtest()
		if b.State != backtest.Running && (i >= most || b.Create.Before(before)) {
			writes = append(writes, s.records.Delete(b.ID, k.revision))
		}
	}
	if len(writes) == 0 {
		return nil
	}
	return s.store.Commit(ctx, writes[:min(len(writes), docstore.MaxWrites)]...)
}
