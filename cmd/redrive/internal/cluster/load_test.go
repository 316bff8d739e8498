//go:build cluster

package cluster

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const (
	workflow = "cluster"
	source   = "acme" // the other scheduler
	// enough is the memory that a job of kind "memory" needs, in MiB, and little
	// what it is given at first.
	enough, little = 200, 128
	// blip is what a job of kind "blip" says the first time, and bug what one of
	// kind "bug" always says.
	blip = "java.net.SocketException: Connection reset by peer"
	bug  = "Traceback (most recent call last):\n  File \"etl.py\", line 7, in <module>\n    total = row['price']\nKeyError: 'price'"
	// openJobs are under way at the same time.
	openJobs = 48
	// maxAttempts bounds a job: no kind needs more than three.
	maxAttempts = 6
)

// oneJob is one job of the load: what it is, and what was seen of it.
type oneJob struct {
	id   string // of our own jobs; the other scheduler's name for it
	kind string // "good", "blip", "memory", "bug", or "stay", which is cancelled
	own  bool   // run by Redrive's own scheduler
	// byEvent tells how attempts end by events; twice tells each failure by two
	// calls at the same time, or by an event and a call.
	byEvent, twice bool

	end      redrivev1.Job_State // that it must come to
	attempts int                 // that were seen
	ended    bool
}

// name is the resource name of the job.
func (j *oneJob) name() string {
	if j.own {
		return "jobs/" + j.id
	}
	return j.ref(1).JobName()
}

func (j *oneJob) ref(attempt int) failure.Attempt {
	return failure.Attempt{Source: source, Job: j.id, Number: attempt}
}

func (j *oneJob) kindOf() *redrivev1.JobType {
	return &redrivev1.JobType{Workflow: workflow, Step: j.kind, Engine: "process"}
}

// load is many jobs that are brought to their ends.
type load struct {
	t       testing.TB
	d       *deployment
	jobs    []*oneJob
	ways    []*clients
	witness string
	// hold, when set, holds back the job that is next until it may start.
	hold func(ctx context.Context, next int)

	mu    sync.Mutex
	done  int
	moved chan struct{} // closed and made anew whenever one more job has ended
}

// newLoad makes n jobs, of which one in ten is run by Redrive itself.
func newLoad(d *deployment, n int, random *rand.Rand) *load {
	l := &load{
		t: d.t, d: d, ways: []*clients{d.direct(), d.byGateway()}, witness: filepath.Join(d.dir, "witness"), moved: make(chan struct{}),
	}
	for i := range n {
		j := &oneJob{id: fmt.Sprintf("job-%04d", i), end: redrivev1.Job_STATE_SUCCEEDED}
		switch share := random.IntN(100); {
		case share < 10:
			j.own, j.kind = true, []string{"blip", "blip", "memory", "memory", "stay"}[random.IntN(5)]
		case share < 20:
			j.kind = "good"
		case share < 65:
			j.kind = "blip"
		case share < 87:
			j.kind = "memory"
		default:
			j.kind = "bug"
		}
		j.byEvent, j.twice = !j.own && random.IntN(8) == 0, !j.own && random.IntN(8) == 0
		switch j.kind {
		case "bug":
			j.end = redrivev1.Job_STATE_FAILED
		case "stay":
			j.end = redrivev1.Job_STATE_CANCELLED
		}
		l.jobs = append(l.jobs, j)
	}
	return l
}

// run brings all jobs to their ends, or says which did not end before ctx.
func (l *load) run(ctx context.Context) {
	l.t.Helper()
	work := make(chan int)
	var group sync.WaitGroup
	for range openJobs {
		group.Go(func() {
			for i := range work {
				j := l.jobs[i]
				err := l.play(ctx, l.ways[i%len(l.ways)], j)
				if err != nil && ctx.Err() == nil {
					l.t.Errorf("%s, %+v: %v", j.name(), *j, err)
				}
				l.count(j, err == nil)
			}
		})
	}
	for i := range l.jobs {
		if l.hold != nil {
			l.hold(ctx, i)
		}
		work <- i
	}
	close(work)
	group.Wait()
	if ctx.Err() != nil {
		l.t.Errorf("the jobs did not end in time: %s", l.unfinished())
	}
}

func (l *load) count(j *oneJob, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j.ended = ended
	l.done++
	close(l.moved)
	l.moved = make(chan struct{})
}

// reach waits until so many jobs have ended.
func (l *load) reach(ctx context.Context, n int) bool {
	for {
		l.mu.Lock()
		done, moved := l.done, l.moved
		l.mu.Unlock()
		if done >= n {
			return true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

// unfinished describes the jobs that have not ended.
func (l *load) unfinished() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	text, n := "", 0
	for _, j := range l.jobs {
		if j.ended {
			continue
		}
		if n++; n > 20 {
			continue
		}
		got, err := l.ways[0].scheduler.GetJob(ctx, &redrivev1.GetJobRequest{Name: j.name()})
		text += fmt.Sprintf("\n%s %+v: %v, due %v, %q, %d attempts (%v)", j.name(), *j,
			got.GetState(), got.GetDueTime().AsTime().Format(time.TimeOnly), got.GetStateReason(), len(got.GetAttempts()), err)
	}
	return fmt.Sprintf("%d have not%s", n, text)
}

// play brings one job to its end.
func (l *load) play(ctx context.Context, c *clients, j *oneJob) error {
	if j.own {
		return l.playOwn(ctx, c, j)
	}
	original := map[string]any{"memory_mb": float64(little)}
	config := maps.Clone(original)
	for n := 1; n <= maxAttempts; n++ {
		j.attempts = n
		said := j.says(n, config)
		if said == "" {
			return l.tellSuccess(ctx, c, j, n, original, config)
		}
		d, err := l.tellFailure(ctx, c, j, n, original, config, said)
		if err != nil {
			return err
		}
		switch d.GetAction() {
		case redrivev1.Decision_ACTION_STOP:
			return nil
		case redrivev1.Decision_ACTION_RETRY_WITH_CONFIG:
			res, err := c.config.Resolve(ctx, &redrivev1.ResolveRequest{Job: source + "/" + j.id, Type: j.kindOf(), Config: object(original)})
			if err != nil {
				return fmt.Errorf("resolve: %w", err)
			}
			if len(res.GetApplied()) == 0 {
				return fmt.Errorf("resolve after attempt %d: nothing applies: %v", n, res.GetSkipped())
			}
			config = res.GetConfig().AsMap()
		}
	}
	return fmt.Errorf("it still fails after %d attempts", maxAttempts)
}

// says returns what an attempt says before it fails; nothing when it succeeds.
func (j *oneJob) says(attempt int, config map[string]any) string {
	mb, _ := config["memory_mb"].(float64)
	switch {
	case j.kind == "blip" && attempt == 1:
		return blip
	case j.kind == "memory" && mb < enough:
		return "MemoryError"
	case j.kind == "bug":
		return bug
	}
	return ""
}

// submit submits a job of our own, by as many tries as it needs.
func (l *load) submit(ctx context.Context, c *clients, j *oneJob) error {
	argument := "{{config.memory_mb}}"
	if j.kind == "stay" {
		argument = filepath.Join(l.d.dir, "lock-"+j.id)
	}
	_, err := c.scheduler.SubmitJob(ctx, &redrivev1.SubmitJobRequest{JobId: j.id, RequestId: "request-" + j.id, Job: &redrivev1.Job{
		Type: j.kindOf(), Config: object(map[string]any{"memory_mb": float64(little)}), Owner: "tests",
		Process: &redrivev1.ProcessTask{Args: []string{os.Args[0], "task", j.kind, l.witness, argument}},
	}})
	if err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	return nil
}

// playOwn submits a job of our own and watches it to its end. One that would
// stay is cancelled when it runs.
func (l *load) playOwn(ctx context.Context, c *clients, j *oneJob) error {
	if err := l.submit(ctx, c, j); err != nil {
		return err
	}
	if j.kind == "stay" {
		if err := l.await(ctx, c, j, redrivev1.Job_STATE_RUNNING); err != nil {
			return err
		}
		if _, err := c.scheduler.CancelJob(ctx, &redrivev1.CancelJobRequest{Name: j.name(), Reason: "the test is over"}); err != nil {
			return fmt.Errorf("cancel: %w", err)
		}
	}
	return l.await(ctx, c, j, redrivev1.Job_STATE_SUCCEEDED)
}

// await waits until a job has come as far as a state, or farther.
func (l *load) await(ctx context.Context, c *clients, j *oneJob, state redrivev1.Job_State) error {
	for {
		got, err := l.watch(ctx, c, j, state)
		if got.GetState() >= state {
			j.attempts = len(got.GetAttempts())
			return nil
		}
		if !errs.Is(errs.FromStatus(err), errs.Unavailable) || ctx.Err() != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
}

// watch returns the last state that it saw. It does not watch for ever: a
// replica that is stopped says nothing.
func (l *load) watch(ctx context.Context, c *clients, j *oneJob, state redrivev1.Job_State) (last *redrivev1.Job, err error) {
	ctx, cancel := context.WithTimeout(ctx, perTry)
	defer cancel()
	stream, err := c.scheduler.WatchJob(ctx, &redrivev1.WatchJobRequest{Name: j.name()})
	if err != nil {
		return nil, err
	}
	for {
		res, err := stream.Recv()
		if err != nil {
			return last, err
		}
		if last = res.GetJob(); last.GetState() >= state {
			return last, nil
		}
	}
}
