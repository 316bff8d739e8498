//go:build failpoint

package loop

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const (
	// perPoint is at how many of its hits each failpoint kills: the first, the
	// last, and those between.
	perPoint = 3
	// atOnce crash runs go on side by side: most of their time is waiting.
	atOnce = 6
	// patience bounds one run.
	patience = 3 * time.Minute
)

// TestCrashAtEveryStep runs the same jobs once for every failpoint that they
// pass, and kills the process there with SIGKILL: the server, or the supervisor
// of an attempt. The server is started again, and then every job must have
// ended rightly, no attempt run twice, and every failure decided on once.
func TestCrashAtEveryStep(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "redrive")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "failpoint", "-o", bin, "github.com/redrive-io/redrive/cmd/redrive")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	log := filepath.Join(t.TempDir(), "hits")
	newCrashRun(t, bin, "REDRIVE_FAILPOINT_LOG="+log).play("no crash", false)
	points := pick(t, log)
	t.Logf("%d crashes at %d failpoints", len(points), len(names(points)))

	work := make(chan string)
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for point := range work {
				once := filepath.Join(t.TempDir(), "once")
				newCrashRun(t, bin, "REDRIVE_FAILPOINT="+point, "REDRIVE_FAILPOINT_ONCE="+once).play(point, strings.HasPrefix(point, "supervisor."))
				if _, err := os.Stat(once); err != nil {
					t.Logf("%s: not passed in this run", point)
				}
			}
		})
	}
	for _, p := range points {
		work <- p
	}
	close(work)
	group.Wait()
}

// pick returns "name#n" for at most perPoint of the hits of every failpoint.
func pick(t *testing.T, log string) []string {
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hits := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		hits[lines.Text()]++
	}
	var points []string
	for name, n := range hits {
		if strings.HasPrefix(name, "supervisor.") {
			n = 1 // every supervisor counts for itself
		}
		k := min(n, perPoint)
		for i := range k {
			at := 1
			if k > 1 {
				at = 1 + i*(n-1)/(k-1)
			}
			points = append(points, fmt.Sprintf("%s#%d", name, at))
		}
	}
	slices.Sort(points)
	for _, step := range []string{"commit.before", "commit.after", "publish.before", "publish.after", "ack.before", "ack.after", "executor.", "supervisor.fork", "supervisor.exit"} {
		if !slices.ContainsFunc(points, func(p string) bool { return strings.HasPrefix(p, step) }) {
			t.Errorf("no %s failpoint was passed: the crash tests do not test what they say", step)
		}
	}
	return points
}

func names(points []string) map[string]bool {
	all := map[string]bool{}
	for _, p := range points {
		name, _, _ := strings.Cut(p, "#")
		all[name] = true
	}
	return all
}

// crashRun is one data folder, and the processes that serve it one after
// another.
type crashRun struct {
	t       *testing.T
	bin     string
	env     []string
	data    string
	witness string

	mu   sync.Mutex
	conn *grpc.ClientConn
	addr string
}

func newCrashRun(t *testing.T, bin string, env ...string) *crashRun {
	return &crashRun{t: t, bin: bin, env: env, data: t.TempDir(), witness: filepath.Join(t.TempDir(), "witness")}
}

// play runs the jobs to their ends, whatever dies, and checks what is left.
func (c *crashRun) play(point string, supervisor bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	served := make(chan struct{})
	serving, stop := context.WithCancel(ctx)
	go func() {
		defer close(served)
		c.serve(serving, point)
	}()
	defer func() { stop(); <-served }()

	want := map[string]redrivev1.Job_State{
		"flaky":  redrivev1.Job_STATE_SUCCEEDED,
		"memory": redrivev1.Job_STATE_SUCCEEDED,
		"bug":    redrivev1.Job_STATE_FAILED,
	}
	jobs := map[string]*redrivev1.Job{
		"flaky":  jobOf("flaky", nil, "flaky", c.witness),
		"memory": jobOf("memory", map[string]any{"memory_mb": 128.0}, "memory", c.witness, "{{config.memory_mb}}"),
		"bug":    jobOf("bug", nil, "bug", c.witness),
	}
	for id, j := range jobs {
		c.again(ctx, point, func(ctx context.Context, conn *grpc.ClientConn) error {
			_, err := redrivev1.NewSchedulerServiceClient(conn).SubmitJob(ctx, &redrivev1.SubmitJobRequest{JobId: id, RequestId: "request-" + id, Job: j})
			return err
		})
	}
	for id, state := range want {
		var j *redrivev1.Job
		c.again(ctx, point, func(ctx context.Context, conn *grpc.ClientConn) error {
			stream, err := redrivev1.NewSchedulerServiceClient(conn).WatchJob(ctx, &redrivev1.WatchJobRequest{Name: "jobs/" + id})
			if err != nil {
				return err
			}
			for {
				res, err := stream.Recv()
				if err != nil {
					return err
				}
				if j = res.GetJob(); j.GetState() >= redrivev1.Job_STATE_SUCCEEDED {
					return nil
				}
			}
		})
		if ctx.Err() != nil {
			c.t.Errorf("%s: %s does not end; it is %v: %s", point, id, j.GetState(), j.GetStateReason())
			return
		}
		if j.GetState() != state && !(supervisor && id == "bug") {
			c.t.Errorf("%s: %s is %v, want %v: %s", point, id, j.GetState(), state, j.GetStateReason())
		}
		c.check(ctx, point, j)
	}
}

// check looks for attempts that ran twice or are not on record, and for
// failures without their one decision.
func (c *crashRun) check(ctx context.Context, point string, j *redrivev1.Job) {
	text, err := os.ReadFile(c.witness)
	if err != nil && !os.IsNotExist(err) {
		c.t.Errorf("%s: %v", point, err)
	}
	id := strings.TrimPrefix(j.GetName(), "jobs/")
	starts := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if run, ok := strings.CutPrefix(strings.TrimSpace(line), "start "); ok && strings.HasPrefix(run, id+"/") {
			starts[run]++
		}
	}
	failed := 0
	for _, a := range j.GetAttempts() {
		run := fmt.Sprintf("%s/%d", id, a.GetNumber())
		lost := a.GetEvidence().GetTerminationReason() == redrivev1.TerminationReason_TERMINATION_REASON_LOST
		if n := starts[run]; n > 1 || (n == 0 && !lost) {
			c.t.Errorf("%s: attempt %s ran %d times, want once", point, run, n)
		}
		delete(starts, run)
		if a.GetFailure() != "" {
			failed++
		}
	}
	if len(starts) > 0 {
		c.t.Errorf("%s: attempts %v ran and are not on record", point, starts)
	}
	c.again(ctx, point, func(ctx context.Context, conn *grpc.ClientConn) error {
		res, err := redrivev1.NewSchedulerServiceClient(conn).ListDecisions(ctx, &redrivev1.ListDecisionsRequest{Parent: j.GetName()})
		if err == nil && len(res.GetDecisions()) != failed {
			c.t.Errorf("%s: %d decisions on %d failures of %s", point, len(res.GetDecisions()), failed, id)
		}
		return err
	})
}

// again calls until the call succeeds, through every crash.
func (c *crashRun) again(ctx context.Context, point string, call func(context.Context, *grpc.ClientConn) error) {
	for ctx.Err() == nil {
		conn, token, err := c.dial()
		if err == nil {
			err = call(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), conn)
		}
		switch kind := errs.KindOf(errs.FromStatus(err)); {
		case err == nil:
			return
		case kind != errs.Unavailable && kind != errs.NotFound:
			c.t.Errorf("%s: %v", point, err)
			return
		}
		pause := time.NewTimer(20 * time.Millisecond) // until the server is back
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// dial returns a connection to the process that serves now.
func (c *crashRun) dial() (*grpc.ClientConn, string, error) {
	folder := home.Folder(c.data)
	e, err := folder.Endpoint()
	if err != nil {
		return nil, "", err
	}
	token, err := os.ReadFile(folder.TokenFile())
	if err != nil {
		return nil, "", errs.New(errs.Unavailable, "no token yet: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.addr != e.GRPC {
		if c.conn != nil {
			_ = c.conn.Close() // of a process that is gone
		}
		if c.conn, err = grpc.NewClient(e.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
			return nil, "", err
		}
		c.addr = e.GRPC
	}
	return c.conn, strings.TrimSpace(string(token)), nil
}

// serve starts the server again whenever it dies, until ctx is done.
func (c *crashRun) serve(ctx context.Context, point string) {
	policy := filepath.Join(c.data, "retries.yaml")
	if err := os.WriteFile(policy, []byte(noDelays), 0o600); err != nil {
		c.t.Error(err)
		return
	}
	for starts := 1; ctx.Err() == nil; starts++ {
		if starts > 3 {
			c.t.Errorf("%s: the server dies again and again", point)
			return
		}
		cmd := exec.CommandContext(ctx, c.bin, "serve", "--data", c.data, "--retry-policy", policy,
			"--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--nats-addr", "127.0.0.1:0", "--log-level", "error")
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = 30 * time.Second
		cmd.Env = append(os.Environ(), c.env...)
		var out strings.Builder
		cmd.Stderr = &out
		err := cmd.Run()
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if ctx.Err() == nil && !(ok && status.Signaled() && status.Signal() == syscall.SIGKILL) {
			c.t.Errorf("%s: the server ended by itself: %v\n%s", point, err, out.String())
			return
		}
	}
}
