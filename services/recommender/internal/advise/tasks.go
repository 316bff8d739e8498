package advise

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/estimate"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

// line is a line about a task: a question about its next attempt, or how one
// ended. Amounts are bytes.
type line struct {
	Kind     string  `json:"kind"`
	ID       int64   `json:"id"`
	Source   string  `json:"source"`
	Workflow string  `json:"workflow"`
	Step     string  `json:"task_type"`
	Attempt  int     `json:"attempt"`
	Input    float64 `json:"input_bytes"`
	Cores    float64 `json:"cores"`

	Preset  float64   `json:"preset_mem_bytes"`
	Ceiling float64   `json:"cap_mem_bytes"`
	Failed  flag      `json:"failed"`
	Last    float64   `json:"last_mem_bytes"`
	Before  []attempt `json:"prev"`

	OK      bool    `json:"ok"`
	Memory  float64 `json:"mem_bytes"`
	Peak    float64 `json:"peak_bytes"`
	Seconds float64 `json:"runtime_s"`
}

// flag is a boolean. Questions about clusters have a list in its place.
type flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(text []byte) error {
	*f = string(text) == "true"
	return nil
}

// attempt is an earlier attempt of a task.
type attempt struct {
	Seconds float64 `json:"runtime_s"`
}

// allocation answers a question about a task.
type allocation struct {
	ID     int64   `json:"id"`
	Action string  `json:"action"` // run, or stop
	Memory int64   `json:"mem_bytes,omitempty"`
	Cores  float64 `json:"cores,omitempty"`
}

func (l *line) validate() error {
	amount := func(name string, x float64) error {
		if !(x >= 0 && x < math.MaxInt64/2) {
			return errs.Field(name, "%v is not an amount", x)
		}
		return nil
	}
	return errs.Fields(
		called(l.jobType().Validate("type"), "workflow", "task_type"), amount("input_bytes", l.Input), amount("cores", l.Cores), amount("preset_mem_bytes", l.Preset),
		amount("cap_mem_bytes", l.Ceiling), amount("last_mem_bytes", l.Last), amount("mem_bytes", l.Memory), amount("peak_bytes", l.Peak),
		amount("runtime_s", l.Seconds),
	)
}

// jobType is that of a process: of a task no more is known.
func (l *line) jobType() failure.Type {
	return failure.Type{Workflow: l.Source + "/" + l.Workflow, Step: l.Step, Engine: engine.Process}
}

// attemptID names an attempt of the task: in hexadecimal digits, as those of
// real attempts.
func (l *line) attemptID(number int) string {
	sum := fnv.New64a()
	fmt.Fprintf(sum, "%s/%d/%d", l.Source, l.ID, number) //nolint:errcheck // a hash never fails
	return fmt.Sprintf("%016x", sum.Sum64())
}

// tasks learns from tasks and sizes them.
type tasks struct {
	settings   Settings
	model      model.Model
	estimators *estimate.Estimators
	workflows  map[string]map[string]*step
	types      int
	heard      int // attempts that ended
}

// step is what is known of one job type.
type step struct {
	history history.History
	preset  float64 // bytes, as last asked for
	most    float64 // bytes that it ever used
}

// maxTypes bounds the job types of one input: at some 100 KiB each.
const maxTypes = 20_000

func newTasks(s Settings) *tasks {
	return &tasks{settings: s, model: model.Builtin(), estimators: estimate.Alone(), workflows: map[string]map[string]*step{}}
}

// of returns what is known of the job type of a line.
func (t *tasks) of(l *line) (*step, error) {
	kind := l.jobType()
	steps := t.workflows[kind.Workflow]
	if s, ok := steps[kind.Step]; ok {
		return s, nil
	}
	if t.types == maxTypes {
		return nil, errs.Field("task_type", "is one more than %d", maxTypes)
	}
	if steps == nil {
		steps = map[string]*step{}
		t.workflows[kind.Workflow] = steps
	}
	t.types++
	s := &step{history: history.History{Type: kind}}
	steps[kind.Step] = s
	return s, nil
}

// learn takes in how an attempt ended.
func (t *tasks) learn(l *line) error {
	if err := l.validate(); err != nil {
		return err
	}
	s, err := t.of(l)
	if err != nil {
		return err
	}
	t.heard++
	a := history.Attempt{
		ID: l.attemptID(l.Attempt), Outcome: history.Failed, Seconds: l.Seconds, Input: int64(l.Input),
		Sizes: map[engine.Part]int64{engine.Tree: int64(l.Memory)}, Limit: int64(l.Memory),
		// The replay has no clock; what counts is the order.
		End: time.Unix(int64(t.heard), 0),
	}
	if l.Attempt > 1 {
		a.Previous = l.attemptID(l.Attempt - 1)
	}
	if l.OK {
		a.Outcome, a.Peak = history.Succeeded, int64(l.Peak)
		s.most = max(s.most, l.Peak)
	} else {
		a.Killed, a.Class = true, failure.MemoryContainer
	}
	s.history = s.history.Learn(a)
	return nil
}

// allocate answers how much memory the next attempt of a task should have.
func (t *tasks) allocate(ctx context.Context, l *line) (allocation, error) {
	if err := l.validate(); err != nil {
		return allocation{}, err
	}
	s, err := t.of(l)
	if err != nil {
		return allocation{}, err
	}
	settings := t.settings(s.history.Type, "", failure.MemoryContainer)
	settings.MinSeconds = 0 // time is paid for as it is recorded
	if l.Ceiling > 0 {
		settings.MaxMemory = int64(l.Ceiling)
	}
	r := advice.Request{Type: s.history.Type, Config: l.config(l.Preset), Attempt: l.Attempt}
	r.Evidence.InputBytes, r.Class = int64(l.Input), failure.MemoryContainer
	k := advice.Knowledge{
		History: s.history, Model: t.model, Now: time.Unix(int64(t.heard), 0),
		Estimator: t.estimators.Of(s.history, need.Prices{
			Weight: settings.Weight, PerGiBHour: settings.PerGiBHour, FailedShare: t.model.FailedShare(),
		}),
	}
	prepare := advice.Prepare
	if l.Failed {
		l.describe(&r)
	} else {
		s.preset, prepare = l.Preset, advice.Size
		if k.Estimator == nil {
			k.Uses = t.uses(r.Type)
		}
	}
	if err := r.Validate(); err != nil {
		return allocation{}, err
	}
	record, err := prepare(r, k, settings)
	if err != nil {
		return allocation{}, err
	}
	answer, err := advice.Search(ctx, r, record)
	if err != nil {
		return allocation{}, err
	}
	if answer.Chosen == nil {
		return allocation{ID: l.ID, Action: "stop"}, nil
	}
	return allocation{ID: l.ID, Action: "run", Memory: answer.Chosen.Memory, Cores: l.Cores}, nil
}

// describe tells how the last attempt failed.
func (l *line) describe(r *advice.Request) {
	last := l.attemptID(l.Attempt - 1)
	r.FailureID, r.Class, r.SameFailures = last, failure.MemoryContainer, len(l.Before)
	r.AttemptConfig = l.config(l.Last)
	r.Evidence.Reason, r.Evidence.Proof, r.Evidence.LimitBytes = failure.OutOfMemory, "replay", int64(l.Last)
	if n := len(l.Before); n > 0 {
		r.Evidence.Duration = time.Duration(l.Before[n-1].Seconds * float64(time.Second))
	}
}

// config returns a configuration with this much memory.
func (l *line) config(bytes float64) map[string]any {
	c := map[string]any{}
	if bytes > 0 {
		c["memory_mb"] = max(math.Ceil(bytes/(1<<20)), leastMiB)
	}
	if l.Cores > 0 {
		c["cores"] = l.Cores
	}
	return c
}

// leastMiB is the least "memory_mb".
const leastMiB = 4

// uses returns what the other steps of the workflow used at most of what their
// author asked for.
func (t *tasks) uses(of failure.Type) []float64 {
	var uses []float64
	for name, s := range t.workflows[of.Workflow] {
		if name != of.Step && s.most > 0 && s.preset > 0 {
			uses = append(uses, s.most/s.preset)
		}
	}
	return uses
}
