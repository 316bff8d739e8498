// Package training makes the content of a model from training records. It reads
// them once, in the order in which they were told, and adds them up: what is kept
// meanwhile does not grow with their number, and a training may go on from the
// sums of the last one. Everything that is added is a multiple of 2^-20, so that
// sums are exact: a full training and one that goes on give the same content, to
// the last bit.
//
// In memory are, at most: one page of records, the newest 50,000 failures that a
// retry may follow (see followed; some 10 MB), 10,000 exit codes and owners of
// each class, and the newest 400 runs on clusters of one job type. What is beyond
// is read again, for failures, or left out.
package training

import (
	"context"
	"iter"
	"math"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

// Records are what is trained on.
type Records interface {
	// Told returns the records that were told of from then and before until, in
	// that order; a zero time is no bound.
	Told(ctx context.Context, from, until time.Time) iter.Seq2[record.Record, error]
	// OnClusters returns the successes on clusters, by job type and then by time.
	OnClusters(ctx context.Context) iter.Seq2[record.Record, error]
	// Get returns the record of an attempt, or errs.NotFound.
	Get(ctx context.Context, attempt string) (record.Record, error)
}

// Shape returns how the run time of one job type depends on cores and memory: the
// terms of model.Content.Curve. It is false when the runs do not tell.
type Shape func(runs []record.Record) (terms [4]float64, ok bool)

// Run returns base with what was told from base.Until and before until; base is
// the zero Content for a full training, a zero until is no bound. When there is
// nothing new, that is base. progress is told of every thousandth
// record how many were read.
func Run(ctx context.Context, records Records, base model.Content, until time.Time, shape Shape, progress func(int64)) (model.Content, error) {
	return run(ctx, records, base, until, shape, progress, mostFollowed)
}

// run is Run that remembers at most most failures.
func run(ctx context.Context, records Records, base model.Content, until time.Time, shape Shape, progress func(int64), most int) (model.Content, error) {
	s := begin(base, most)
	var read int64
	var clusters bool
	for r, err := range records.Told(ctx, base.Until, until) {
		if err != nil {
			return model.Content{}, err
		}
		if err := s.learn(ctx, records, r); err != nil {
			return model.Content{}, err
		}
		clusters = clusters || onCluster(r)
		if read++; read%1000 == 0 {
			progress(read)
		}
	}
	content := s.content()
	if clusters {
		var err error
		if content.Curves, err = curves(ctx, records, content.Until, shape); err != nil {
			return model.Content{}, err
		}
	}
	progress(read)
	return content, nil
}

func onCluster(r record.Record) bool {
	return r.Outcome == history.Succeeded && r.Shape != failure.Shape{}
}

// learn adds one record.
func (s *sums) learn(ctx context.Context, records Records, r record.Record) error {
	s.records++
	s.until = r.Told.Add(1)
	if r.Features != nil {
		s.observe(*r.Features)
	}
	if r.Shape.Spot {
		s.spot(r)
	}
	var before *lost
	if r.Previous != "" {
		var err error
		if before, err = s.before(ctx, records, r.Previous); err != nil {
			return err
		}
	}
	var repeats bool
	if before != nil {
		again, told := r.Again(before.brief)
		repeats = again && told
		if told {
			s.retry(*before, again)
		}
		s.failing(*before, r)
		s.predicted(*before, r, told)
	}
	if r.Outcome == history.Failed {
		s.recent.put(lose(r, repeats))
	}
	return nil
}

// before returns the failure of an attempt; nil where there is none.
func (s *sums) before(ctx context.Context, records Records, attempt string) (*lost, error) {
	if l, ok := s.recent.get(attempt); ok {
		return l, nil
	}
	r, err := records.Get(ctx, attempt)
	if errs.Is(err, errs.NotFound) || err == nil && r.Outcome != history.Failed {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var repeats bool
	if r.Previous != "" {
		p, err := records.Get(ctx, r.Previous)
		switch {
		case err == nil:
			repeats, _ = r.Again(p)
			repeats = repeats && p.Outcome == history.Failed
		case !errs.Is(err, errs.NotFound):
			return nil, err
		}
	}
	l := lose(r, repeats)
	s.recent.put(l)
	return l, nil
}

// exact rounds to what can be added up without an error, as long as a sum is
// less than 2^33.
func exact(x float64) float64 { return math.Round(x*(1<<20)) / (1 << 20) }
