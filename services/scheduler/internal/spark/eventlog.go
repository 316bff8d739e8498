package spark

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/redrive-io/redrive/pkg/engine"
)

// Events is what an event log says of an application's failures, as far as no
// later success made up for them, oldest first.
type Events struct {
	App     string // Spark's id of the application
	Lost    []Loss
	Tasks   []Task
	Stages  []Stage
	Job     string // why the last job failed that failed; empty for none
	Ended   bool   // the application ended in order
	Skipped int    // lines that were too long or no events
	// Peaks is the largest use of each part, in bytes: of all executors the
	// largest one.
	Peaks map[engine.Part]int64
}

// Loss is an executor that is gone.
type Loss struct{ Executor, Reason string }

// Task is one try of a task that failed.
type Task struct {
	ID, Index, Try, Stage, StageTry int
	Executor, Host                  string
	Reason                          string
}

// Stage is one try of a stage that failed.
type Stage struct {
	ID, Try int
	Name    string
	Reason  string
}

// Bounds of what is kept of an event log: the last ones.
const (
	maxEventLine = 4 << 20 // bytes
	maxLosses    = 16
	maxTasks     = 16
	maxStages    = 4
	maxJobs      = 1000 // that run at once
	maxJobStages = 1000 // of one job
	maxReason    = 8 << 10
)

// ReadEvents reads an event log in one pass, in memory that does not depend on
// its length. Lines that are no events it can read are counted and left out, as
// the last one of a driver that was killed. The only error is the reader's.
func ReadEvents(r io.Reader) (Events, error) {
	p := parser{jobs: map[int][]int{}}
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := readLine(lines)
		if len(line) > 0 {
			p.line(line)
		}
		switch {
		case errors.Is(err, errLong):
			p.events.Skipped++
		case errors.Is(err, io.EOF):
			return p.events, nil
		case err != nil:
			return p.events, err
		}
	}
}

var errLong = errors.New("a line is too long")

// readLine returns the next line, nothing of one that is too long.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for long := false; ; {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxEventLine; long {
			line = nil
		} else {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return line, err
		case long:
			return nil, errLong
		default:
			return line, nil
		}
	}
}

// parser keeps what is needed of the events before.
type parser struct {
	events Events
	jobs   map[int][]int // the stages of jobs that run
}

// event has the members that are read of any event. Others are not even
// decoded: plans and lists of tasks can be long.
type event struct {
	Event      string
	AppID      string `json:"App ID"`
	ExecutorID string `json:"Executor ID"`
	Removed    string `json:"Removed Reason"`
	JobID      int    `json:"Job ID"`
	StageIDs   []int  `json:"Stage IDs"`
	StageID    int    `json:"Stage ID"`
	StageTry   int    `json:"Stage Attempt ID"`
	Result     struct {
		Result    string
		Exception struct{ Message string }
	} `json:"Job Result"`
	StageInfo struct {
		ID     int    `json:"Stage ID"`
		Try    int    `json:"Stage Attempt ID"`
		Name   string `json:"Stage Name"`
		Reason string `json:"Failure Reason"`
	} `json:"Stage Info"`
	EndReason endReason `json:"Task End Reason"`
	TaskInfo  struct {
		ID       int `json:"Task ID"`
		Index    int
		Attempt  int
		Executor string `json:"Executor ID"`
		Host     string
	} `json:"Task Info"`
	Metrics map[string]int64 `json:"Executor Metrics"`
	Updates []struct {
		Metrics map[string]int64 `json:"Executor Metrics"`
	} `json:"Executor Metrics Updated"`
}

// wanted are the events that say something here, as a line begins.
var wanted = func() [][]byte {
	var all [][]byte
	for _, name := range []string{
		"ApplicationStart", "ApplicationEnd", "ExecutorRemoved", "JobStart", "JobEnd", "StageCompleted", "TaskEnd",
		"StageExecutorMetrics", "ExecutorMetricsUpdate",
	} {
		all = append(all, []byte(`{"Event":"SparkListener`+name+`"`))
	}
	return all
}()

var (
	taskEnd = []byte(`{"Event":"SparkListenerTaskEnd"`)
	success = []byte(`"Task End Reason":{"Reason":"Success"}`)
	anEvent = []byte(`{"Event":"`)
)

func (p *parser) line(line []byte) {
	if !slices.ContainsFunc(wanted, func(w []byte) bool { return bytes.HasPrefix(line, w) }) {
		if !bytes.HasPrefix(line, anEvent) {
			p.events.Skipped++
		}
		return
	}
	if bytes.HasPrefix(line, taskEnd) && bytes.Contains(line, success) {
		return // by far the most lines
	}
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		p.events.Skipped++
		return
	}
	p.event(&e)
}

func (p *parser) event(e *event) {
	to := &p.events
	switch e.Event {
	case "SparkListenerApplicationStart":
		to.App = clip(e.AppID, maxName)
	case "SparkListenerApplicationEnd":
		to.Ended = true
	case "SparkListenerExecutorRemoved":
		to.Lost = add(to.Lost, Loss{clip(e.ExecutorID, maxName), clip(e.Removed, maxReason)}, maxLosses)
	case "SparkListenerJobStart":
		if len(p.jobs) < maxJobs {
			p.jobs[e.JobID] = slices.Clone(e.StageIDs[:min(len(e.StageIDs), maxJobStages)])
		}
	case "SparkListenerJobEnd":
		p.jobEnd(e)
	case "SparkListenerStageCompleted":
		if s := e.StageInfo; s.Reason != "" {
			to.Stages = add(to.Stages, Stage{s.ID, s.Try, clip(s.Name, maxName), clip(s.Reason, maxReason)}, maxStages)
		}
	case "SparkListenerTaskEnd":
		if why := e.EndReason.text(); why != "" {
			t := e.TaskInfo
			to.Tasks = add(to.Tasks, Task{
				t.ID, t.Index, t.Attempt, e.StageID, e.StageTry, clip(t.Executor, maxName), clip(t.Host, maxName), clip(why, maxReason),
			}, maxTasks)
		}
	default:
		p.peaks(e.ExecutorID, e.Metrics)
		for _, u := range e.Updates {
			p.peaks(e.ExecutorID, u.Metrics)
		}
	}
}

// jobEnd forgets the failures that a job succeeded in spite of.
func (p *parser) jobEnd(e *event) {
	stages := p.jobs[e.JobID]
	delete(p.jobs, e.JobID)
	if e.Result.Result != "JobSucceeded" {
		p.events.Job = clip(e.Result.Exception.Message, maxReason)
		return
	}
	made := func(stage int) bool { return slices.Contains(stages, stage) }
	p.events.Tasks = slices.DeleteFunc(p.events.Tasks, func(t Task) bool { return made(t.Stage) })
	p.events.Stages = slices.DeleteFunc(p.events.Stages, func(s Stage) bool { return made(s.ID) })
}

// peaks takes up what an executor, or the driver, was measured to use.
func (p *parser) peaks(executor string, metrics map[string]int64) {
	if len(metrics) == 0 || executor == "" {
		return
	}
	more := func(part engine.Part, bytes int64) {
		if p.events.Peaks == nil {
			p.events.Peaks = map[engine.Part]int64{}
		}
		if bytes > p.events.Peaks[part] {
			p.events.Peaks[part] = bytes
		}
	}
	if executor == "driver" {
		more(engine.DriverHeap, metrics["JVMHeapMemory"])
		return
	}
	more(engine.ExecutorHeap, metrics["JVMHeapMemory"])
	more(engine.Python, metrics["ProcessTreePythonRSSMemory"])
}

// add appends x and keeps the last n.
func add[T any](all []T, x T, n int) []T {
	all = append(all, x)
	if over := len(all) - n; over > 0 {
		all = slices.Delete(all, 0, over)
	}
	return all
}
