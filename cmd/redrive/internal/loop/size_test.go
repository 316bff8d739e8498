package loop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// longDelays keeps every job waiting that failed.
const longDelays = "classes: {\"*\": {base_delay: 12h}}\n"

// leaveOpen is the program that leaves a store with jobs that wait to be
// retried, half of them Redrive's own.
func leaveOpen(args []string) int {
	flags := flag.NewFlagSet("open", flag.ExitOnError)
	data := flags.String("data", "", "folder of the system")
	n := flags.Int("n", 100, "jobs")
	_ = flags.Parse(args) // it exits
	if err := openJobs(*data, *n); err != nil {
		fmt.Fprintln(os.Stderr, "open:", err)
		return 1
	}
	return 0
}

func openJobs(data string, n int) (err error) {
	conn, stop, err := place{data: data}.enter(longDelays)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c := newCycler(conn, ailments["transient"])
	for i := range n {
		if i%2 == 0 {
			err = c.submit(context.Background(), i)
		} else {
			err = c.leave(context.Background(), int64(i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leave leaves a job of another scheduler waiting.
func (c *cycler) leave(ctx context.Context, n int64) error {
	config := sparkConfig(n)
	_, err := c.report(ctx, &redrivev1.ReportFailureRequest{
		Attempt: &redrivev1.AttemptRef{Source: cycleSource, Job: fmt.Sprintf("%s-%d", c.run, n), Attempt: 1},
		Type:    &redrivev1.JobType{Workflow: "nightly", Step: "aggregate", Engine: "spark"},
		Config:  config, Evidence: c.ailment.evidence(n, 1, config),
	})
	return err
}

// submit leaves a job of Redrive's own waiting.
func (c *cycler) submit(ctx context.Context, n int) error {
	j, err := c.scheduler.SubmitJob(ctx, &redrivev1.SubmitJobRequest{Job: &redrivev1.Job{
		Type: &redrivev1.JobType{Workflow: "nightly", Step: "fetch", Engine: "process"}, Owner: "data-platform",
		Config:  structOf(map[string]any{"memory_mb": 512.0, "url": fmt.Sprintf("https://lake.example/orders/%d", n)}),
		Process: &redrivev1.ProcessTask{Args: []string{"sh", "-c", "echo java.net.SocketException: Connection reset by peer >&2; exit 1"}},
	}})
	if err != nil {
		return err
	}
	stream, err := c.scheduler.WatchJob(ctx, &redrivev1.WatchJobRequest{Name: j.GetName()})
	if err != nil {
		return err
	}
	return waiting(stream)
}

func waiting(stream grpc.ServerStreamingClient[redrivev1.WatchJobResponse]) error {
	for {
		res, err := stream.Recv()
		if err != nil {
			return err
		}
		switch state := res.GetJob().GetState(); state {
		case redrivev1.Job_STATE_WAITING:
			return nil
		case redrivev1.Job_STATE_FAILED, redrivev1.Job_STATE_SUCCEEDED, redrivev1.Job_STATE_CANCELLED:
			return fmt.Errorf("%s is %v, %s", res.GetJob().GetName(), state, res.GetJob().GetStateReason())
		}
	}
}

// started is what a start took; bench/ reads the same.
type started struct {
	Seconds float64 `json:"seconds"` // until every service answered
	Anon    int64   `json:"anon"`    // bytes of memory of its own that the process has then
	RSS     int64   `json:"rss"`     // and with the pages of its files
	Waiting int     `json:"waiting"` // jobs that wait, at most a page of them
}

// startUp is the program that starts a system on a folder and says what that
// took.
func startUp(args []string) int {
	flags := flag.NewFlagSet("start", flag.ExitOnError)
	data := flags.String("data", "", "folder of the system")
	_ = flags.Parse(args) // it exits
	s, err := startOn(*data)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start:", err)
		return 1
	}
	return 0
}

// settled is how long a system may do what it does after its start.
const settled = 3 * time.Second

func startOn(data string) (s started, err error) {
	begin := time.Now()
	conn, stop, err := place{data: data}.enter(longDelays)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	jobs, err := redrivev1.NewSchedulerServiceClient(conn).ListJobs(context.Background(), &redrivev1.ListJobsRequest{State: redrivev1.Job_STATE_WAITING})
	if err != nil {
		return s, err
	}
	s.Seconds, s.Waiting = time.Since(begin).Seconds(), len(jobs.GetJobs())
	if err := pause(context.Background(), settled); err != nil {
		return s, err
	}
	debug.FreeOSMemory()
	s.Anon, s.RSS, err = memory()
	return s, err
}

// memory returns what the kernel counts for this process.
func memory() (anon, rss int64, err error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, 0, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		var kib int64
		if name != "RssAnon" && name != "VmRSS" {
			continue
		}
		if _, err := fmt.Sscanf(strings.TrimSpace(value), "%d kB", &kib); err != nil {
			return 0, 0, err
		}
		if name == "RssAnon" {
			anon = kib << 10
		} else {
			rss = kib << 10
		}
	}
	return anon, rss, lines.Err()
}
