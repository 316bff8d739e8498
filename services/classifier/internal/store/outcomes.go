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
)

const outcomeKind = Service + ".outcome"

// byFresh is the index of the outcomes that the rules' counters do not have.
const byFresh = "fresh"

// keptOutcome is what is noted of what came after a failure.
type keptOutcome struct {
	*redrivev1.OutcomeRecord
	id       string
	revision int64
}

func outcomes(s docstore.Store) docstore.Collection[keptOutcome] {
	return docstore.NewCollection(s, outcomeKind, docstore.Codec[keptOutcome]{
		Encode: func(k keptOutcome) ([]byte, error) { return proto.Marshal(k.OutcomeRecord) },
		Decode: func(doc docstore.Doc) (keptOutcome, error) {
			k := keptOutcome{&redrivev1.OutcomeRecord{}, doc.ID, doc.Revision}
			return k, proto.Unmarshal(doc.Value, k.OutcomeRecord)
		},
		Index: func(k keptOutcome) []docstore.Entry {
			at := docstore.TimeKey(k.GetTime().AsTime())
			all := []docstore.Entry{{Name: byTime, Value: at}}
			if k.GetCounted() != k.GetState() {
				all = append(all, docstore.Entry{Name: byFresh, Value: at})
			}
			return all
		},
	})
}

func (k keptOutcome) note() outcome.Note {
	return outcome.Note{Outcome: outcome.Outcome(k.GetState()), Config: k.GetConfigDigest(), Seconds: k.GetRetrySeconds()}
}

// NoteOutcome notes what came after the failure with this id, which need not be
// there yet. Told again, or later than something that says more, it changes
// nothing. It is errs.Conflict when another one notes at the same time.
func (s *Failures) NoteOutcome(ctx context.Context, id string, n outcome.Note, now time.Time) error {
	write, err := s.noted(ctx, id, n, now)
	if err != nil || write == nil {
		return err
	}
	return s.store.Commit(ctx, *write)
}

// noted returns the write that notes n, or nil when it says nothing new.
func (s *Failures) noted(ctx context.Context, id string, n outcome.Note, now time.Time) (*docstore.Write, error) {
	k, err := s.outcomes.Get(ctx, id)
	switch {
	case errs.Is(err, errs.NotFound):
		k = keptOutcome{&redrivev1.OutcomeRecord{Time: wellknown.Timestamp(now)}, id, docstore.Absent}
	case err != nil:
		return nil, err
	case k.note().After(n) == k.note():
		return nil, nil
	}
	k.State, k.ConfigDigest, k.RetrySeconds = redrivev1.OutcomeRecord_State(n.Outcome), n.Config, n.Seconds
	write, err := s.outcomes.Write(id, k.revision, k)
	return &write, err
}

// Outcomes says what came after failures, by their ids; one of which nothing is
// known is left out. That a retry failed is known some seconds after it is
// stored.
func (s *Failures) Outcomes(ctx context.Context, ids ...string) (map[string]outcome.Result, error) {
	all := make(map[string]outcome.Result, len(ids))
	for _, id := range ids {
		k, err := s.outcomes.Get(ctx, id)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r := outcome.Result{Note: k.note()}
		if r.Outcome == outcome.Succeeded {
			f, err := s.failures.Get(ctx, id)
			if err != nil && !errs.Is(err, errs.NotFound) {
				return nil, err
			}
			r.Changed = err == nil && r.Note.Changed(f.GetAttemptConfig().AsMap())
		}
		all[id] = r
	}
	return all, nil
}
