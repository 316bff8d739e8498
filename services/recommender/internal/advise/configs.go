package advise

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// config is a cluster as the protocol has it; a GB is taken for a GiB.
type config struct {
	Type         string  `json:"vm_type"`
	Nodes        int     `json:"nodes"`
	CoresPerNode float64 `json:"cores_per_node"`
	GBPerNode    float64 `json:"mem_gb_per_node"`
	Dollars      float64 `json:"usd_per_h"`
}

func (c config) shape() failure.Shape {
	return failure.Shape{
		InstanceType: c.Type, Nodes: c.Nodes, CoresPerNode: c.CoresPerNode, MemoryPerNode: int64(c.GBPerNode * (1 << 30)), DollarsPerHour: c.Dollars,
	}
}

// clusterRun is how a run on a cluster ended.
type clusterRun struct {
	Config  config  `json:"config"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"elapsed_s"`
	Reason  string  `json:"reason"` // timeout, or error
}

const timeout = "timeout"

// job is what lines about clusters say of a job.
type job struct {
	ID        int64   `json:"id"`
	Workload  string  `json:"workload"`
	Framework string  `json:"framework"`
	Size      string  `json:"data_size"`
	Input     float64 `json:"input_bytes"`
}

// jobType is that of Spark, whose jobs run on clusters: the protocol names the
// framework besides.
func (j job) jobType() failure.Type {
	return failure.Type{Workflow: j.Workload + "/" + j.Framework, Step: j.Size, Engine: engine.Spark}
}

func (j job) validate() error {
	var input error
	if !(j.Input >= 0 && j.Input < math.MaxInt64/2) {
		input = errs.Field("input_bytes", "%v is not an amount", j.Input)
	}
	return errs.Fields(called(j.jobType().Validate("type"), "workload", "data_size"), input)
}

// past tells of a run of another job.
type past struct {
	job
	clusterRun
}

// choice asks on which of the candidates a retry should run.
type choice struct {
	job
	Failed     []clusterRun `json:"failed"` // the latest last
	Candidates []config     `json:"candidates"`
}

// chosen answers a choice.
type chosen struct {
	ID     int64  `json:"id"`
	Action string `json:"action"` // run, or stop
	Index  *int   `json:"index,omitempty"`
}

// configs learns from runs on clusters and chooses among them.
type configs struct {
	settings  Settings
	histories map[failure.Type]history.History
	heard     int
}

func newConfigs(s Settings) *configs {
	return &configs{settings: s, histories: map[failure.Type]history.History{}}
}

// learn takes in how a run ended.
func (c *configs) learn(p past) error {
	if err := p.validate(); err != nil {
		return err
	}
	kind := p.jobType()
	h, ok := c.histories[kind]
	if !ok && len(c.histories) == maxTypes {
		return errs.Field("workload", "is of one more job type than %d", maxTypes)
	}
	c.heard++
	a := history.Attempt{
		ID: strconv.Itoa(c.heard), Outcome: history.Failed, End: time.Unix(int64(c.heard), 0).UTC(), Seconds: p.Seconds, Input: int64(p.Input),
		Shape: p.Config.shape(), TimedOut: p.Reason == timeout,
	}
	if p.OK {
		a.Outcome = history.Succeeded
	}
	h.Type, h.Updated = kind, a.End
	c.histories[kind] = h.Learn(a)
	return nil
}

// choose answers a question.
func (c *configs) choose(ctx context.Context, q choice) (any, error) {
	if err := q.validate(); err != nil {
		return nil, err
	}
	if len(q.Failed) == 0 {
		return nil, errs.Field("failed", "is empty; it must have the run that failed")
	}
	if len(q.Candidates) == 0 {
		return nil, errs.Field("candidates", "is empty; it must have the clusters that the retry may run on")
	}
	r := advice.Request{Type: q.jobType(), Class: failure.Unknown, SameFailures: len(q.Failed), Attempt: len(q.Failed)}
	for i, candidate := range q.Candidates {
		s := candidate.shape()
		s.Name = strconv.Itoa(i)
		r.Shapes = append(r.Shapes, s)
	}
	for _, f := range q.Failed {
		r.Failed = append(r.Failed, search.FailedOn{Shape: f.Config.shape(), Seconds: f.Seconds, TimedOut: f.Reason == timeout})
	}
	last := r.Failed[len(r.Failed)-1]
	r.Failed = r.Failed[:len(r.Failed)-1]
	r.Evidence = failure.Evidence{
		Shape: last.Shape, Duration: time.Duration(last.Seconds * float64(time.Second)), Reason: failure.Exited, InputBytes: int64(q.Input),
	}
	if last.TimedOut {
		r.Class, r.Evidence.Reason = failure.Timeout, failure.TimedOut
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	k := advice.Knowledge{History: c.histories[r.Type], Model: model.Builtin(), Shaped: c.shaped(r.Type), Now: time.Unix(int64(c.heard), 0).UTC()}
	k.History.Type = r.Type
	rec, err := advice.Prepare(r, k, c.settings(r.Type, "", r.Class))
	if err != nil {
		return nil, err
	}
	a, err := advice.Search(ctx, r, rec)
	if err != nil {
		return nil, err
	}
	if a.Chosen == nil {
		return chosen{q.ID, "stop", nil}, nil
	}
	index, err := strconv.Atoi(a.Chosen.Shape.Name)
	return chosen{q.ID, "run", &index}, err
}

// shaped returns what is known of other job types, those first of which was
// heard last.
func (c *configs) shaped(but failure.Type) []history.History {
	all := slices.SortedFunc(maps.Values(c.histories), func(a, b history.History) int {
		return cmp.Or(b.Updated.Compare(a.Updated), cmp.Compare(a.Type.Workflow, b.Type.Workflow), cmp.Compare(a.Type.Step, b.Type.Step))
	})
	return slices.DeleteFunc(all, func(h history.History) bool { return h.Type == but })
}
