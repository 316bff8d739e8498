package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/examples/spark"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// sparkActs are the stories of `redrive demo --spark` in their order.
var sparkActs = []act{
	{"an executor out of heap", "a PySpark job collects the events of each customer, with spark.executor.memory=512m", executorHeap},
	{"results too large for the driver", "a PySpark job brings a table to the driver, with spark.driver.maxResultSize=1m", driverResult},
	{"a query that cannot be right", "a PySpark job asks for a column that the table does not have", wrongQuery},
	{"an input that is late", "a PySpark job reads a file that another job has not written yet", lateInput},
}

// sparkStoryTimeout bounds one story with Spark: each attempt starts JVMs.
const sparkStoryTimeout = 6 * time.Minute

// application is one Spark job of the demo.
type application struct {
	step, file string
	args       []string
	config     map[string]any // besides what all have
}

// submitSpark submits an application to the demo's cluster.
func (s *stage) submitSpark(ctx context.Context, a application) (*redrivev1.Job, error) {
	all := map[string]any{"spark.driver.memory": "512m", "spark.executor.memory": "512m"}
	maps.Copy(all, a.config)
	config, err := structpb.NewStruct(all)
	if err != nil {
		return nil, err
	}
	return s.call.scheduler.SubmitJob(ctx, &redrivev1.SubmitJobRequest{Job: &redrivev1.Job{
		Type: &redrivev1.JobType{Workflow: "demo", Step: a.step, Engine: "spark"}, Config: config, Owner: "data-team",
		Spark: &redrivev1.SparkTask{
			Application: filepath.Join(s.cluster.folder, a.file), Args: a.args, Name: a.step,
			SparkHome: s.cluster.home, Master: s.cluster.url, Env: s.cluster.environment(),
		},
	}})
}

func (s *stage) runSpark(ctx context.Context, a application) (*redrivev1.Job, error) {
	j, err := s.submitSpark(ctx, a)
	if err != nil {
		return nil, err
	}
	return s.follow(ctx, s.teller(), j.GetName())
}

// lastValue returns what the last attempt of a job ran with.
func lastValue(j *redrivev1.Job, key string) any {
	attempts := j.GetAttempts()
	return attempts[len(attempts)-1].GetConfig().AsMap()[key]
}

// patched is an error when the last attempt of a job ran without a patch, or
// with the value that it had.
func patched(j *redrivev1.Job, key string, before any) error {
	attempts := j.GetAttempts()
	if len(attempts[len(attempts)-1].GetAppliedPatches()) == 0 || lastValue(j, key) == before {
		return fmt.Errorf("%s is still %v in the last attempt", key, before)
	}
	return nil
}

func executorHeap(ctx context.Context, s *stage) (outcome, error) {
	const key = "spark.executor.memory"
	j, err := s.runSpark(ctx, application{step: "customer-sessions", file: "sessions.py", args: []string{"2000000"}})
	if err != nil {
		return outcome{}, err
	}
	out := outcomeOf(j, fmt.Sprintf("%s 512m → %v", key, lastValue(j, key)))
	return out, errors.Join(want(j, redrivev1.Job_STATE_SUCCEEDED), wantClass(ctx, s, j, "memory.executor"),
		wantLogs(ctx, s, j, "events", "executor-0"), patched(j, key, "512m"))
}

// wantLogs is an error when the first failure of a job lacks a log: what Spark
// leaves behind was not found.
func wantLogs(ctx context.Context, s *stage, j *redrivev1.Job, sources ...string) error {
	f, err := s.call.classifier.GetFailure(ctx, &redrivev1.GetFailureRequest{Name: j.GetAttempts()[0].GetFailure()})
	if err != nil {
		return err
	}
	for _, l := range f.GetEvidence().GetLogs() {
		sources = slices.DeleteFunc(sources, func(source string) bool { return source == l.GetSource() && l.GetSizeBytes() > 0 })
	}
	if len(sources) > 0 {
		return fmt.Errorf("the evidence of %s lacks the logs %q", f.GetName(), sources)
	}
	return nil
}

func driverResult(ctx context.Context, s *stage) (outcome, error) {
	const key = "spark.driver.maxResultSize"
	j, err := s.runSpark(ctx, application{
		step: "names-report", file: "report.py", args: []string{"40000"}, config: map[string]any{key: "1m"},
	})
	if err != nil {
		return outcome{}, err
	}
	out := outcomeOf(j, fmt.Sprintf("%s 1m → %v", key, lastValue(j, key)))
	return out, errors.Join(want(j, redrivev1.Job_STATE_SUCCEEDED), wantClass(ctx, s, j, "memory.driver"), patched(j, key, "1m"))
}

func wrongQuery(ctx context.Context, s *stage) (outcome, error) {
	j, err := s.runSpark(ctx, application{step: "revenue", file: "revenue.py"})
	if err != nil {
		return outcome{}, err
	}
	if n := len(j.GetAttempts()); n != 1 {
		err = fmt.Errorf("%d attempts, want one", n)
	}
	return outcomeOf(j, "paged at once, not retried"), errors.Join(
		err, want(j, redrivev1.Job_STATE_FAILED), wantClass(ctx, s, j, "code.bug"), s.alerted(ctx, j.GetName(), "trigger page"))
}

func lateInput(ctx context.Context, s *stage) (outcome, error) {
	input := filepath.Join(s.cluster.folder, "clicks.json")
	written := make(chan error, 1)
	j, err := s.submitSpark(ctx, application{step: "daily-clicks", file: "clicks.py", args: []string{input}})
	if err != nil {
		return outcome{}, err
	}
	go func() {
		err := s.alerted(ctx, j.GetName(), "trigger warning")
		if err == nil {
			s.say("the job that writes %s is late, and has written it now", filepath.Base(input))
			err = os.WriteFile(input, []byte("{\"page\":\"/\"}\n{\"page\":\"/cart\"}\n"), 0o600)
		}
		written <- err
	}()
	j, err = s.follow(ctx, s.teller(), j.GetName())
	if err != nil {
		return outcome{}, err
	}
	if n := len(j.GetAttempts()); n < 2 {
		err = fmt.Errorf("%d attempts, want two at least", n)
	}
	return outcomeOf(j, "retried slowly until the input was there"), errors.Join(
		err, <-written, want(j, redrivev1.Job_STATE_SUCCEEDED), wantClass(ctx, s, j, "not_found.data"), s.alerted(ctx, j.GetName(), "resolve"))
}

// unpack writes the applications into a folder.
func unpack(folder string) error {
	files, err := fs.Glob(spark.Applications, "*.py")
	if err != nil {
		return err
	}
	for _, name := range files {
		text, err := fs.ReadFile(spark.Applications, name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
