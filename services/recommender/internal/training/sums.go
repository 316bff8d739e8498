package training

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/features"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

const (
	// mostFollowed bounds the failures that are remembered. A retry mostly comes
	// within hours; a million records in 400 days are 2,500 a day.
	mostFollowed = 50_000
	// mostKeys bounds the exit codes and owners of one class that are counted.
	// Model.MaxKeys of them are kept.
	mostKeys = 10_000
)

// sums is a content that grows.
type sums struct {
	until    time.Time
	records  int64
	retries  map[string]map[string]model.Beta // by class and key
	failed   model.Sum
	bins     map[int]model.Bin
	taken    model.Interruptions
	features map[string]map[int]int64 // by name and bucket
	curves   []model.Curve
	watched  []model.Value
	recent   followed
}

// begin returns the sums of a content. The newest mostFollowed failures are
// remembered.
func begin(c model.Content, mostFollowed int) *sums {
	s := &sums{
		until: c.Until, records: c.Records, failed: c.Failing, taken: c.Spot, curves: c.Curves, watched: model.Values(),
		retries: map[string]map[string]model.Beta{}, bins: map[int]model.Bin{}, features: map[string]map[int]int64{},
		recent: newFollowed(mostFollowed),
	}
	for _, r := range c.Retries {
		s.class(r.Class)[r.Key] = model.Beta{Failed: r.Failed, Succeeded: r.Succeeded}
	}
	for _, b := range c.Bins {
		s.bins[b.Index] = b
	}
	for _, h := range c.Features {
		buckets := map[int]int64{}
		for _, b := range h.Buckets {
			buckets[b.Index] = b.Count
		}
		s.features[h.Name] = buckets
	}
	return s
}

func (s *sums) class(name string) map[string]model.Beta {
	keys := s.retries[name]
	if keys == nil {
		keys = map[string]model.Beta{}
		s.retries[name] = keys
	}
	return keys
}

// observe counts what was known at a decision.
func (s *sums) observe(f features.Features) {
	for _, v := range s.watched {
		buckets := s.features[v.Name]
		if buckets == nil {
			buckets = map[int]int64{}
			s.features[v.Name] = buckets
		}
		buckets[model.BucketOf(v.Of(f))]++
	}
}

// spot counts the hours of spot machines, and whether they were taken away.
func (s *sums) spot(r record.Record) {
	s.taken.Hours += exact(float64(max(r.Shape.Nodes, 1)) * r.Seconds / 3600)
	if r.Outcome == history.Failed && r.Class == failure.Preemption {
		s.taken.Count++
	}
}

// memoryRepeat is what a retry that again lacked memory counts: it had more, so
// that it says less of the next one than where nothing was changed.
const memoryRepeat = 0.5

// retry counts the first retry after a failure. Later ones say nothing new: a
// failure that comes back a hundred times is one that came back, and what each
// further retry says of it is for the history of its job type.
func (s *sums) retry(before lost, again bool) {
	if before.repeats {
		return
	}
	var one model.Beta
	switch {
	case !again:
		one.Succeeded = 1
	case before.brief.RanOut():
		one.Failed = memoryRepeat
	default:
		one.Failed = 1
	}
	keys := s.class(string(before.brief.Class))
	count := func(key string) {
		sum, ok := keys[key]
		if !ok && len(keys) >= mostKeys {
			return
		}
		keys[key] = model.Beta{Failed: sum.Failed + one.Failed, Succeeded: sum.Succeeded + one.Succeeded}
	}
	if before.brief.Killed {
		count(model.Proof)
	} else {
		count("")
	}
	if before.brief.Exit != nil {
		count(model.ExitKey(*before.brief.Exit))
	}
	if before.brief.Owner != "" {
		count(model.OwnerKey(before.brief.Owner))
	}
}

// longest bounds how much longer than the success an attempt that lacked memory
// counts: beyond it, a clock or a queue is what was measured.
const longest = 10

// failing counts how long an attempt that lacked memory ran.
func (s *sums) failing(before lost, r record.Record) {
	if before.brief.RanOut() && r.Outcome == history.Succeeded && r.Seconds > 0 && before.brief.Seconds > 0 {
		s.failed.Sum += exact(min(before.brief.Seconds/r.Seconds, longest))
		s.failed.Count++
	}
}

// sameAmount is by how much a retry's memory may differ from the chosen one for
// the prediction to be about it: configurations are rounded.
const sameAmount = 0.02

// predicted counts what came of a prediction, where the retry ran with what was
// chosen and ended in a way that the prediction is about.
func (s *sums) predicted(before lost, r record.Record, told bool) {
	if !told || before.raw <= 0 {
		return
	}
	if given := r.Sizes[before.part]; before.chosen > 0 && math.Abs(float64(given-before.chosen)) > sameAmount*float64(before.chosen) {
		return
	}
	i := model.BinOf(before.raw)
	b := s.bins[i]
	b.Index = i
	b.Predicted += exact(before.raw)
	b.Count++
	if r.Outcome == history.Failed {
		b.Observed++
	}
	s.bins[i] = b
}

// content returns the sums in the order of a content.
func (s *sums) content() model.Content {
	c := model.Content{Version: model.Version, Until: s.until, Records: s.records, Failing: s.failed, Spot: s.taken, Curves: s.curves}
	for class, keys := range s.retries {
		c.Retries = append(c.Retries, most(class, keys)...)
	}
	slices.SortFunc(c.Retries, model.CompareRetries)
	for _, b := range s.bins {
		c.Bins = append(c.Bins, b)
	}
	slices.SortFunc(c.Bins, func(a, b model.Bin) int { return cmp.Compare(a.Index, b.Index) })
	for name, buckets := range s.features {
		h := model.Histogram{Name: name}
		for i, n := range buckets {
			h.Buckets = append(h.Buckets, model.Bucket{Index: i, Count: n})
		}
		slices.SortFunc(h.Buckets, func(a, b model.Bucket) int { return cmp.Compare(a.Index, b.Index) })
		c.Features = append(c.Features, h)
	}
	slices.SortFunc(c.Features, func(a, b model.Histogram) int { return cmp.Compare(a.Name, b.Name) })
	return c
}

// most returns the retries of a class: all of it, and the keys with the most.
func most(class string, keys map[string]model.Beta) []model.Retries {
	all := make([]model.Retries, 0, len(keys))
	for key, sum := range keys {
		all = append(all, model.Retries{Class: class, Key: key, Failed: sum.Failed, Succeeded: sum.Succeeded})
	}
	whole := func(r model.Retries) int {
		if r.Key == "" || r.Key == model.Proof {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b model.Retries) int {
		return cmp.Or(cmp.Compare(whole(a), whole(b)), cmp.Compare(b.Failed+b.Succeeded, a.Failed+a.Succeeded), cmp.Compare(a.Key, b.Key))
	})
	return all[:min(len(all), model.MaxKeys+2)]
}
