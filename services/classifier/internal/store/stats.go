package store

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/stats"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

const (
	statsKind = Service + ".rule_stats"
	placeKind = Service + ".rule_stats_place"
	placeID   = "failures"
)

// Stats keeps the counters of rules, one document a rule, and how far failures
// are counted.
type Stats struct {
	store    docstore.Store
	failures *Failures
	counters docstore.Collection[keptStats]
}

type keptStats struct {
	*redrivev1.RuleStatsRecord
	id       string
	revision int64
}

// NewStats returns the counters in s of the rules that matched failures.
func NewStats(s docstore.Store, f *Failures) *Stats {
	return &Stats{s, f, docstore.NewCollection(s, statsKind, docstore.Codec[keptStats]{
		Encode: func(k keptStats) ([]byte, error) { return proto.Marshal(k.RuleStatsRecord) },
		Decode: func(doc docstore.Doc) (keptStats, error) {
			k := keptStats{&redrivev1.RuleStatsRecord{}, doc.ID, doc.Revision}
			return k, proto.Unmarshal(doc.Value, k.RuleStatsRecord)
		},
	})}
}

// All returns the counters of all rules that ever matched, by id; at most as
// many as a Set has rules, twice.
func (s *Stats) All(ctx context.Context) (map[string]stats.Counters, error) {
	all := map[string]stats.Counters{}
	for q := (docstore.Query{}); ; {
		found, next, err := s.counters.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, k := range found {
			all[k.id] = wire.Counters(k.RuleStatsRecord)
		}
		if next == "" || len(all) >= 2*rule.MaxRules {
			return all, nil
		}
		q.After = next
	}
}

// Place implements stats.Store.
func (s *Stats) Place(ctx context.Context) (stats.Place, error) {
	doc, err := s.store.Get(ctx, placeKind, placeID)
	if errs.Is(err, errs.NotFound) {
		return stats.Place{}, nil
	}
	if err != nil {
		return stats.Place{}, err
	}
	var p redrivev1.StatsPlace
	if err := proto.Unmarshal(doc.Value, &p); err != nil {
		return stats.Place{}, errs.New(errs.Internal, "decode how far failures are counted: %w", err)
	}
	return stats.Place{Cursor: string(p.GetCursor()), Since: wellknown.Time(p.GetSince()), Until: wellknown.Time(p.GetUntil()), Version: doc.Revision}, nil
}

// After implements stats.Store.
func (s *Stats) After(ctx context.Context, cursor string, until time.Time, limit int) ([]stats.Classified, error) {
	page, err := s.store.List(ctx, docstore.Query{Kind: failureKind, Index: byTime, Until: docstore.TimeKey(until), After: cursor, Limit: limit})
	if err != nil {
		return nil, err
	}
	var all []stats.Classified
	for _, doc := range page.Docs {
		p, f := &redrivev1.Failure{}, stats.Classified{}
		if proto.Unmarshal(doc.Value, p) == nil {
			if f, err = classified(doc.ID, p); err != nil {
				f = stats.Classified{}
			}
		}
		f.ID, f.Cursor = doc.ID, doc.Cursor
		all = append(all, f)
	}
	return all, nil
}

func classified(id string, p *redrivev1.Failure) (stats.Classified, error) {
	f, err := wire.FailureFromProto(p)
	return stats.Classified{
		ID: id, Attempt: f.Attempt, Time: f.CreateTime, Rule: wire.Decided(p), Verdict: f.Result.Verdict, Matches: f.Matches,
		Seconds: f.Evidence.Duration.Seconds(), Config: f.AttemptConfig,
	}, err
}

// Classified implements stats.Store.
func (s *Stats) Classified(ctx context.Context, id string) (stats.Classified, error) {
	p, err := s.failures.failures.Get(ctx, id)
	if err != nil {
		return stats.Classified{}, err
	}
	return classified(id, p)
}

// Endings implements stats.Store.
func (s *Stats) Endings(ctx context.Context, until time.Time, limit int) ([]stats.Ending, error) {
	found, _, err := s.failures.outcomes.List(ctx, docstore.Query{Index: byFresh, Until: docstore.TimeKey(until), Limit: limit})
	var all []stats.Ending
	for _, k := range found {
		all = append(all, stats.Ending{Failure: k.id, Note: k.note(), Counted: outcome.Outcome(k.GetCounted()), Version: k.revision})
	}
	return all, err
}

// Commit implements stats.Store.
func (s *Stats) Commit(ctx context.Context, step stats.Step, now time.Time) error {
	var writes []docstore.Write
	add := func(w docstore.Write, err error) error {
		writes = append(writes, w)
		return err
	}
	if p := step.Place; p != nil {
		raw, err := proto.Marshal(&redrivev1.StatsPlace{Cursor: []byte(p.Cursor), Since: wellknown.Timestamp(p.Since), Until: wellknown.Timestamp(p.Until)})
		if err := add(docstore.Write{Kind: placeKind, ID: placeID, Revision: p.Version, Value: raw}, err); err != nil {
			return err
		}
	}
	for id, d := range step.Counters {
		k, err := s.counters.Get(ctx, id)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		record := wire.CountersRecord(id, wire.Counters(k.RuleStatsRecord).Plus(d))
		if err := add(s.counters.Write(id, k.revision, keptStats{record, id, k.revision})); err != nil {
			return err
		}
	}
	for id, seconds := range step.Failed {
		w, err := s.failures.noted(ctx, id, outcome.Note{Outcome: outcome.Failed, Seconds: seconds}, now)
		if err != nil {
			return err
		}
		if w != nil {
			writes = append(writes, *w)
		}
	}
	for _, e := range step.Counted {
		k, err := s.failures.outcomes.Get(ctx, e.Failure)
		if err != nil {
			return err
		}
		k.Counted = redrivev1.OutcomeRecord_State(e.Counted)
		if err := add(s.failures.outcomes.Write(e.Failure, e.Version, k)); err != nil {
			return err
		}
	}
	return s.store.Commit(ctx, writes...)
}

// PurgeStats deletes the counters of rules that keep does not want and that
// have not matched since a time, and what was noted of failures before it. It
// returns how many documents.
func (s *Stats) PurgeStats(ctx context.Context, before time.Time, keep func(id string) bool) (int, error) {
	all, err := s.All(ctx)
	if err != nil {
		return 0, err
	}
	var writes []docstore.Write
	for id, c := range all {
		if !keep(id) && c.Last.Before(before) && len(writes) < docstore.MaxWrites/2 {
			writes = append(writes, s.counters.Delete(id, docstore.AnyRevision))
		}
	}
	old, _, err := s.failures.outcomes.List(ctx, docstore.Query{Index: byTime, Until: docstore.TimeKey(before), Limit: docstore.MaxWrites / 2})
	if err != nil {
		return 0, err
	}
	for _, k := range old {
		writes = append(writes, s.failures.outcomes.Delete(k.id, docstore.AnyRevision))
	}
	if len(writes) == 0 {
		return 0, nil
	}
	return len(writes), s.store.Commit(ctx, writes...)
}
