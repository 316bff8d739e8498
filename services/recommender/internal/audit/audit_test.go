package audit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/features"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

const gib = int64(1 << 30)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func settings(failure.Type, string, failure.Class) search.Settings {
	return search.Settings{
		Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9, MinObservations: 3, MaxMemory: 64 * gib, MinSeconds: 60,
	}
}

// world makes records as they are kept: by type, and of one type by time.
type world struct {
	random *rand.Rand
	// cured is how many of the unexplained failures a retry cures.
	cured float64
	// chance is the share of decisions that were made at random.
	chance float64
	all    []record.Record
}

// workshop has jobs of twelve types. Each job has an hour of its own. Half of
// them need more than the 4 GiB that they begin with, and get twice as much
// after each kill; one in five fails for no known reason besides, each in words
// of its own.
func workshop(seed uint64, jobs int, cured, chance float64) *world {
	w := &world{random: rand.New(rand.NewPCG(seed, 1)), cured: cured, chance: chance}
	for n := range 12 {
		t := failure.Type{Workflow: "w", Step: fmt.Sprintf("s%02d", n), Engine: engine.Process}
		typical := 4 * math.Exp(0.5*w.random.NormFloat64())
		for j := range jobs {
			w.job(t, j, int64(typical*math.Exp(0.1*w.random.NormFloat64())*float64(gib)), start.Add(time.Duration(j)*time.Hour+time.Duration(n)*time.Minute))
		}
	}
	return w
}

func (w *world) job(t failure.Type, j int, needs int64, at time.Time) {
	a := failure.Attempt{Source: "airflow", Job: t.Step + fmt.Sprint("-", j), Number: 1}
	r := record.Record{Type: t, Number: 1, Owner: "etl", Cores: 1}
	r.ID, r.Outcome, r.End, r.Seconds, r.Fingerprint, r.Class = a.FailureID(), history.Failed, at, 600, "mystery "+a.Job, failure.Unknown
	r.Sizes, r.Limit = map[engine.Part]int64{engine.Tree: 4 * gib}, 4*gib
	end := func() {
		r.Told = r.End
		w.all = append(w.all, r)
		a.Number++
		r.Previous, r.ID, r.Number, r.End = r.ID, a.FailureID(), a.Number, r.End.Add(10*time.Second)
		r.Features, r.Recommended = nil, ""
	}
	if w.random.IntN(5) == 0 {
		cured := w.random.Float64() < w.cured
		for n := range 3 {
			if cured && n == 1 {
				break
			}
			w.decided(&r, record.Keep, 0)
			end()
		}
		if !cured {
			return
		}
	}
	r.Fingerprint, r.Class, r.Killed = "killed", failure.MemoryContainer, true
	for ; r.Limit < needs; r.Limit *= 2 {
		r.Sizes, r.Peak = map[engine.Part]int64{engine.Tree: r.Limit}, r.Limit
		w.decided(&r, record.Change, 2*r.Limit)
		end()
	}
	r.Outcome, r.Class, r.Fingerprint, r.Killed = history.Succeeded, "", "", false
	r.Sizes, r.Peak, r.Seconds = map[engine.Part]int64{engine.Tree: r.Limit}, needs, 1200
	end()
}

// decided books the decision on a failure.
func (w *world) decided(r *record.Record, what string, chosen int64) {
	r.Recommended = what
	r.Features = &features.Features{
		Version: features.Version, Time: r.End, Part: engine.Tree, Chosen: chosen, Cores: 1, FailProbability: 0.2, Propensity: 1 - w.chance,
	}
	if what == record.Keep {
		r.Features.Part = engine.NoPart
	}
}

// records are the world's, which may be ranged over again.
func (w *world) records() audit.Records {
	return func(yield func(record.Record, error) bool) {
		for _, r := range w.all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// calendar is the one of the hundredth day.
func (w *world) calendar(t *testing.T) *audit.Calendar {
	t.Helper()
	c, err := audit.Count(t.Context(), w.records(), start.Add(100*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) audit(t *testing.T, candidate model.Model) audit.Report {
	t.Helper()
	got, err := audit.Run(t.Context(), w.records(), w.calendar(t), candidate, model.Builtin(), settings)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// fatal returns the checks that failed.
func fatal(r audit.Report) (all []audit.Check) {
	for _, f := range r.Findings {
		if f.Fatal {
			all = append(all, f.Check)
		}
	}
	return all
}

// noted reports whether a check found something that is not fatal.
func noted(r audit.Report, c audit.Check) bool {
	return slices.ContainsFunc(r.Findings, func(f audit.Finding) bool { return f.Check == c && !f.Fatal && f.Message != "" })
}

// trained is a model that learnt what the first four fifths show: that one in
// ten of the unexplained failures comes back.
func trained() model.Model {
	return model.New("trained", model.Content{Version: model.Version, Retries: []model.Retries{
		{Class: string(failure.MemoryContainer), Key: model.Proof, Failed: 5, Succeeded: 200},
		{Class: string(failure.Unknown), Failed: 10, Succeeded: 90},
	}})
}

// hopeless takes every failure for one that always comes back.
func hopeless() model.Model {
	return model.New("hopeless", model.Content{Version: model.Version, Retries: []model.Retries{
		{Class: string(failure.MemoryContainer), Failed: 5000},
		{Class: string(failure.MemoryContainer), Key: model.Proof, Failed: 5000},
		{Class: string(failure.Unknown), Failed: 5000},
	}})
}

func TestAGoodModelPasses(t *testing.T) {
	w := workshop(1, 60, 0.9, 0)
	for _, m := range []model.Model{model.Builtin(), trained()} {
		got := w.audit(t, m)
		if !got.Passed || len(fatal(got)) > 0 {
			t.Errorf("%s: %+v", m.Name, got.Findings)
		}
		own, before, twice := got.Replay[0], got.Replay[1], got.Replay[2]
		if own.Policy != "model" || before.Policy != "incumbent" || twice.Policy != "doubling" || got.Replay[3].Policy != "vpa" {
			t.Fatalf("scores = %+v", got.Replay)
		}
		if own.Failures < 60 || own.Failures != twice.Failures || own.Regret > twice.Regret || own.FixedFirst < own.Failures*8/10 {
			t.Errorf("%s: of %d failures %d are mended at once with a regret of $%.2f; doubling %d with $%.2f",
				m.Name, own.Failures, own.FixedFirst, own.Regret, twice.FixedFirst, twice.Regret)
		}
		if got.Violations != 0 || got.Compared < 1000 || got.Brier <= 0 || len(got.Reliability) == 0 {
			t.Errorf("%s: %d of %d rise, Brier %v, %v", m.Name, got.Violations, got.Compared, got.Brier, got.Reliability)
		}
		if m.Name == model.BuiltinName && !reflect.DeepEqual(withName(own, ""), withName(before, "")) {
			t.Errorf("the model that serves, against itself: %+v and %+v", own, before)
		}
	}
}

func withName(s audit.Score, name string) audit.Score {
	s.Policy = name
	return s
}

func TestAnAuditIsTheSameAgain(t *testing.T) {
	w := workshop(2, 40, 0.9, 0)
	if a, b := w.audit(t, trained()), w.audit(t, trained()); !reflect.DeepEqual(a, b) {
		t.Errorf("two audits: %+v\n%+v", a, b)
	}
}

// Most retries mend, and this model gives all up.
func TestAModelThatGivesUpFails(t *testing.T) {
	got := workshop(3, 120, 0.9, 0).audit(t, hopeless())
	for _, c := range []audit.Check{audit.Incumbent, audit.Doubling, audit.VPA} {
		if !slices.Contains(fatal(got), c) {
			t.Errorf("%s: not fatal in %+v", c, got.Findings)
		}
	}
	if got.Passed || got.Replay[0].Never < got.Replay[0].Failures/5 {
		t.Errorf("passed %v with %+v", got.Passed, got.Replay[0])
	}
}

// Where the same words always come back, giving up is what is best.
func TestAModelThatGivesUpWhatIsHopelessPasses(t *testing.T) {
	w := workshop(4, 60, 0, 0)
	gives := model.New("gives up", model.Content{Version: model.Version, Retries: []model.Retries{{Class: string(failure.Unknown), Failed: 100}}})
	got := w.audit(t, gives)
	if !got.Passed || got.Replay[0].Regret >= got.Replay[2].Regret || got.Replay[0].Never > 0 {
		t.Errorf("findings %+v, model %+v, doubling %+v", got.Findings, got.Replay[0], got.Replay[2])
	}
}

// What it would say of a retry at 0.05 came true in 95 of 100, it believes; in
// truth it is the other way round.
func TestAModelWhoseCalibrationIsWrongFails(t *testing.T) {
	wrong := model.Content{Version: model.Version}
	for i := model.BinOf(0.001); i <= model.BinOf(0.999); i++ {
		p := 1 / (1 + math.Exp(-float64(i)/2))
		wrong.Bins = append(wrong.Bins, model.Bin{Index: i, Predicted: 1000 * p, Count: 1000, Observed: 850})
	}
	got := workshop(5, 80, 0.9, 0).audit(t, model.New("wrong", wrong))
	if got.Passed || !slices.Contains(fatal(got), audit.Calibration) || got.CalibrationError < 0.3 {
		t.Errorf("error %.2f, findings %+v", got.CalibrationError, got.Findings)
	}
}

// A sum that is no number makes predictions that are none. (A calibration is made
// so that it never falls: what comes of one that does is in TestSlope.)
func TestAModelWithoutNumbersFails(t *testing.T) {
	twisted := model.Content{Version: model.Version, Bins: []model.Bin{
		{Index: -2, Predicted: 300, Count: 1000, Observed: math.NaN()}, {Index: 1, Predicted: 600, Count: 1000, Observed: 500},
	}}
	got := workshop(6, 20, 0.9, 0).audit(t, model.New("twisted", twisted))
	if got.Passed || !slices.Contains(fatal(got), audit.Monotonicity) || got.Violations == 0 {
		t.Errorf("%d of %d rise, findings %+v", got.Violations, got.Compared, got.Findings)
	}
}

// What a retry cost is on record, and what giving up costs is known.
func TestDecisionsOnRecordSpeakAgainstGivingUp(t *testing.T) {
	w := workshop(7, 200, 1, 0)
	w.all = slices.DeleteFunc(w.all, func(r record.Record) bool { return r.Killed })
	got := w.audit(t, hopeless())
	if !slices.Contains(fatal(got), audit.OffPolicy) || got.OffPolicy.Difference.Low <= 0 || got.OffPolicy.Supported() < 0.5 {
		t.Errorf("estimate %+v, findings %+v", got.OffPolicy, got.Findings)
	}
}

// The decisions on record doubled; the model gives other amounts, and nothing
// was tried at random: its estimate is only a prediction, and says so.
func TestWithoutChanceOtherAmountsAreOnlyPredicted(t *testing.T) {
	w := workshop(7, 50, 1, 0)
	w.all = slices.DeleteFunc(w.all, func(r record.Record) bool { return r.Class == failure.Unknown })
	got := w.audit(t, trained())
	if got.OffPolicy.Supported() > 0.5 || slices.Contains(fatal(got), audit.OffPolicy) || !noted(got, audit.OffPolicy) {
		t.Errorf("estimate %+v, findings %+v", got.OffPolicy, got.Findings)
	}
	chance := workshop(7, 50, 1, 0.1)
	if more := chance.audit(t, trained()).OffPolicy; more.Supported() <= got.OffPolicy.Supported() {
		t.Errorf("with chance %.2f of the decisions speak, without %.2f", more.Supported(), got.OffPolicy.Supported())
	}
}

func TestFewRecordsAreNotedAndStopOnlyWhatGivesUp(t *testing.T) {
	for _, jobs := range []int{0, 1, 5} {
		w := workshop(8, jobs, 0.9, 0)
		for _, m := range []model.Model{model.Builtin(), trained()} {
			if got := w.audit(t, m); !got.Passed || !noted(got, audit.Enough) {
				t.Errorf("%d jobs, %s: %+v", jobs, m.Name, got.Findings)
			}
		}
		if got := w.audit(t, hopeless()); got.Passed || !slices.Contains(fatal(got), audit.Enough) {
			t.Errorf("%d jobs, hopeless: %+v", jobs, got.Findings)
		}
	}
}

// A service that is down fails the first retry, too; whether there is one is not
// the model's to say.
func TestWhatTheModelDoesNotDecideIsNoGivingUp(t *testing.T) {
	down := model.New("down", model.Content{Version: model.Version, Retries: []model.Retries{{Class: string(failure.DependencyUnavailable), Failed: 5000}}})
	if got := workshop(8, 5, 0.9, 0).audit(t, down); !got.Passed {
		t.Errorf("findings %+v", got.Findings)
	}
}

func TestAModelThatKnowsWhatItIsJudgedOnIsNoted(t *testing.T) {
	w := workshop(9, 20, 0.9, 0)
	m := trained()
	knows := func(until time.Time) bool {
		m.Until = until
		return slices.ContainsFunc(w.audit(t, m).Findings, func(f audit.Finding) bool {
			return f.Check == audit.Enough && strings.HasPrefix(f.Message, "the model has learnt records until")
		})
	}
	if since := w.audit(t, m).Since; !knows(start.Add(365*24*time.Hour)) || knows(since) {
		t.Errorf("a model of until the next year: %v, one of until %v: %v", knows(start.Add(365*24*time.Hour)), since, knows(since))
	}
}

func TestTheNewestFifthIsJudged(t *testing.T) {
	w := workshop(10, 60, 0.9, 0)
	since := w.calendar(t).Since()
	told := 0
	for _, r := range w.all {
		if !r.Told.Before(since) {
			told++
		}
	}
	if share := float64(told) / float64(len(w.all)); share < 0.2 || share > 0.25 {
		t.Errorf("%d of %d records are told since %v, want a fifth", told, len(w.all), since)
	}
	if got := w.audit(t, trained()); got.Records != int64(told) || !got.Since.Equal(since) {
		t.Errorf("%d records since %v, want %d since %v", got.Records, got.Since, told, since)
	}
}

func TestAnErrorOfTheRecordsIsTheAudits(t *testing.T) {
	broken := errors.New("broken")
	bad := func(yield func(record.Record, error) bool) { yield(record.Record{}, broken) }
	w := workshop(11, 3, 0.9, 0)
	if _, err := audit.Run(t.Context(), bad, w.calendar(t), model.Builtin(), model.Builtin(), settings); !errors.Is(err, broken) {
		t.Errorf("Run = %v, want what is broken", err)
	}
	if _, err := audit.Count(t.Context(), bad, start); !errors.Is(err, broken) {
		t.Errorf("Count = %v, want what is broken", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := audit.Run(ctx, w.records(), w.calendar(t), model.Builtin(), model.Builtin(), settings); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want canceled", err)
	}
	if _, err := audit.Count(ctx, w.records(), start); !errors.Is(err, context.Canceled) {
		t.Errorf("Count = %v, want canceled", err)
	}
}
