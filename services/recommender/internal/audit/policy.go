package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/estimate"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// retries is how many retries each policy has.
var retries = func() int {
	m, _ := failure.MeaningOf(failure.MemoryContainer)
	return m.Retries
}()

// situation is one failure, and what was known when it was told.
type situation struct {
	record  record.Record
	request advice.Request
	profile engine.Profile
	setting engine.Setting // what the failed attempt had
	history history.History
	limits  search.Settings
}

// see returns the situation after the failure r. ok is false when nothing can be
// asked about it.
func see(r record.Record, same int, h history.History, settings Settings) (s situation, ok bool) {
	profile, err := engine.Lookup(r.Type.Engine)
	if err != nil {
		return s, false
	}
	class := cmp.Or(r.Class, failure.Unknown)
	config := profile.Config(r.Sizes, r.Cores)
	setting, err := profile.Setting(config, engine.Cause{Class: class, Setting: r.Setting}, r.Limit)
	if err != nil {
		return s, false
	}
	limits := settings(r.Type, r.Owner, class)
	limits.Exploration = 0 // what a model holds for the best is judged, not what it tries
	return situation{
		record: r, profile: profile, setting: setting, history: h, limits: limits,
		request: advice.Request{
			FailureID: r.ID, Type: r.Type, Config: config, Evidence: evidence(r), Class: class, Fingerprint: r.Fingerprint,
			Setting: r.Setting, SameFailures: same, Attempt: r.Number, Owner: r.Owner,
		},
	}, true
}

// evidence is what a record still says of the end of its attempt.
func evidence(r record.Record) failure.Evidence {
	e := failure.Evidence{
		LimitBytes: r.Limit, InputBytes: r.Input, Shape: r.Shape, End: r.End,
		Duration: seconds(r.Seconds), PartPeaks: map[string]int64{},
	}
	for part, bytes := range r.Peaks {
		e.PartPeaks[string(part)] = bytes
	}
	if r.Peak > 0 {
		e.PeakBytes = &r.Peak
	}
	if r.Exit != nil {
		code := int(*r.Exit)
		e.ExitCode = &code
	}
	switch {
	case r.Killed:
		e.Reason, e.Proof = failure.OutOfMemory, "as recorded"
	case r.TimedOut:
		e.Reason = failure.TimedOut
	}
	return e
}

// again returns the situation after a retry with a size that did not do either.
func (s situation) again(size engine.Size, n int) situation {
	r := s.record
	s.history = s.history.Learn(r.Attempt)
	r.Previous, r.ID = r.ID, fmt.Sprintf("%s/%d", s.request.FailureID, n)
	r.End, r.Number = r.End.Add(seconds(r.Seconds)), r.Number+1
	r.Sizes = map[engine.Part]int64{}
	config := s.setting.Apply(size)
	if sizes, err := s.profile.Sizes(config); err == nil {
		for part, size := range sizes {
			r.Sizes[part] = size.Memory
		}
	}
	if s.setting.Part == engine.Tree {
		r.Limit, r.Peak = size.Memory, min(r.Peak, size.Memory)
		if r.Killed {
			r.Peak = size.Memory
		}
	}
	next := s
	next.record = r
	next.request.FailureID, next.request.AttemptConfig, next.request.Evidence = r.ID, config, evidence(r)
	next.request.SameFailures++
	next.request.Attempt++
	if setting, err := s.profile.Setting(config, engine.Cause{Class: s.request.Class, Setting: s.request.Setting}, r.Limit); err == nil {
		next.setting = setting
	}
	return next
}

// ladder is what a policy gives, retry after retry, while none of them does. A
// policy that stops has a shorter one.
type ladder []engine.Size

// adviser asks a model, through the code that serves.
type adviser struct {
	model      model.Model
	settings   Settings
	estimators *estimate.Estimators // of the type that is played
}

// opinion is what a model says of one situation.
type opinion struct {
	situation
	known advice.Record
	search.Answer
}

// memory reports whether the question was how much more memory.
func (o opinion) memory() bool { return o.known.Part != engine.NoPart }

func (a adviser) ask(ctx context.Context, s situation) (opinion, error) {
	base := a.settings(s.record.Type, "", "")
	prices := need.Prices{Weight: base.Weight, PerGiBHour: base.PerGiBHour, FailedShare: a.model.FailedShare()}
	known, err := advice.Prepare(s.request, advice.Knowledge{
		History: s.history, Estimator: a.estimators.Of(s.history, prices), Model: a.model, Now: s.record.End,
	}, s.limits)
	if err != nil {
		return opinion{}, err
	}
	answer, err := advice.Search(ctx, s.request, known)
	return opinion{s, known, answer.Answer}, err
}

// predict returns what the model says of a retry with the configuration given.
func (o opinion) predict(config map[string]any) (search.Candidate, error) {
	r := o.request
	r.AttemptConfig = config
	return advice.Predict(r, o.known)
}

// climb returns the ladder that begins with an opinion.
func (a adviser) climb(ctx context.Context, o opinion) (ladder, error) {
	var l ladder
	for o.Chosen != nil && len(l) < retries {
		l = append(l, o.Chosen.Size)
		if len(l) == retries {
			break
		}
		next, err := a.ask(ctx, o.again(o.Chosen.Size, len(l)))
		if err != nil {
			return nil, err
		}
		o = next
	}
	return l, nil
}

// double is the habit of the field: twice as much after each failure, up to what
// may be given.
func double(s situation) ladder {
	return raise(s, func(bytes int64) int64 { return 2 * bytes })
}

// vpa is what the vertical pod autoscaler of Kubernetes does: after a kill a
// fifth or 100 MB more, whichever is more, and never less than 1.15 times the
// 90th percentile of what was used, where kills count as that raised amount. Its
// histogram also forgets by a half a day; this one has the attempts that are
// kept of the type.
func vpa(s situation) ladder {
	var used []int64
	for _, o := range s.history.Needs(s.profile, s.setting.Part) {
		switch {
		case o == need.Exactly(o.High) && o.High > 0:
			used = append(used, o.High)
		case o.High == 0:
			used = append(used, bump(o.Low))
		}
	}
	return raise(s, func(bytes int64) int64 {
		used = append(used, bump(bytes))
		slices.Sort(used)
		target := 1.15 * float64(used[(len(used)*9+9)/10-1])
		return max(int64(target), bump(bytes))
	})
}

func bump(bytes int64) int64 { return max(bytes+bytes/5, bytes+100<<20) }

// raise returns the ladder of a policy that gives more(bytes) after a failure with
// bytes. The last rung is the ceiling.
func raise(s situation, more func(int64) int64) ladder {
	var l ladder
	size, most := s.setting.Size, s.limits.Most(&s.setting, s.setting.Cores)
	for range retries {
		next := engine.Size{Memory: min(more(size.Memory), most), Cores: size.Cores}
		if next.Memory <= size.Memory {
			break
		}
		l, size = append(l, next), next
	}
	return l
}
