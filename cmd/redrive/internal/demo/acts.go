package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/cmd/redrive/internal/story"
	"github.com/redrive-io/redrive/examples/jvm"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// acts are the stories in their order.
var acts = []act{
	{"too little memory", "a program aggregates a data set below a real memory limit", memory},
	{"a service that is away", "a download gets 503 twice", away},
	{"a missing permission", "a query gets 403 until somebody restores the permission", permission},
	{"a bug", "a program panics, is fixed, and is put back to work", bug},
	{"a failure that no rule knows", "the same unknown failure, again and again", mystery},
	{"a JVM out of heap", "java runs into -Xmx", heap},
	{"another scheduler, over gRPC", "it calls Classify, Resolve and ReportSuccess", overGRPC},
	{"another scheduler, over events", "it publishes attempt.failed and listens to decision.made", overEvents},
}

// outcomeOf is the outcome of a story with one job.
func outcomeOf(j *redrivev1.Job, note string) outcome {
	return outcome{job: j.GetName(), ended: screen.Name(j.GetState()), attempts: len(j.GetAttempts()), note: note}
}

func want(j *redrivev1.Job, state redrivev1.Job_State) error {
	if j.GetState() != state {
		return fmt.Errorf("%s is %s, want %s: %s", j.GetName(), screen.Name(j.GetState()), screen.Name(state), j.GetStateReason())
	}
	return nil
}

func wantClass(ctx context.Context, s *stage, j *redrivev1.Job, class string) error {
	name := j.GetAttempts()[0].GetFailure()
	f, err := s.call.classifier.GetFailure(ctx, &redrivev1.GetFailureRequest{Name: name})
	if err != nil {
		return err
	}
	if f.GetClass() != class {
		return fmt.Errorf("%s is classified %s, want %s", name, f.GetClass(), class)
	}
	return nil
}

func memory(ctx context.Context, s *stage) (outcome, error) {
	job := work{
		step: "aggregate-orders", engine: "process", config: map[string]any{"memory_mb": 64.0, "rows": 600_000.0},
		args: []string{s.program("aggregate"), "-rows", "{{config.rows}}"},
	}
	first, err := s.run(ctx, job)
	if err != nil {
		return outcome{}, err
	}
	attempts := first.GetAttempts()
	last := attempts[len(attempts)-1]
	out := outcomeOf(first, fmt.Sprintf("64 → %v MiB", last.GetConfig().AsMap()["memory_mb"]))
	if err := errors.Join(want(first, redrivev1.Job_STATE_SUCCEEDED), wantClass(ctx, s, first, "memory.container")); err != nil {
		return out, err
	}
	if len(last.GetAppliedPatches()) == 0 {
		return out, errors.New("no patch was applied")
	}
	if err := s.draw(ctx, attempts[0].GetFailure()); err != nil {
		return out, err
	}
	patch := last.GetAppliedPatches()[0]
	s.say("an engineer promotes %s to all jobs of this type: redrive patches promote", patch)
	if _, err := s.call.config.PromotePatch(ctx, &redrivev1.PromotePatchRequest{Name: patch, Reason: "proven in the demo"}); err != nil {
		return out, err
	}
	second, err := s.run(ctx, job)
	if err != nil {
		return out, err
	}
	if n := len(second.GetAttempts()); n != 1 {
		return out, fmt.Errorf("the second run took %d attempts, want one", n)
	}
	out.note += ", second run right at once"
	return out, want(second, redrivev1.Job_STATE_SUCCEEDED)
}

func away(ctx context.Context, s *stage) (outcome, error) {
	s.world.awayAgain()
	j, err := s.run(ctx, work{step: "download-export", engine: "process", args: []string{s.program("fetch"), s.world.url("/export")}})
	if err != nil {
		return outcome{}, err
	}
	if n := len(j.GetAttempts()); n != 3 {
		err = fmt.Errorf("%d attempts, want three", n)
	}
	return outcomeOf(j, "retried with backoff"), errors.Join(err, want(j, redrivev1.Job_STATE_SUCCEEDED), wantClass(ctx, s, j, "dependency.unavailable"))
}

func permission(ctx context.Context, s *stage) (outcome, error) {
	restored := make(chan error, 1)
	j, err := s.submit(ctx, work{step: "query-orders", engine: "process", args: []string{s.program("fetch"), s.world.url("/query")}})
	if err != nil {
		return outcome{}, err
	}
	go func() {
		err := s.alerted(ctx, j.GetName(), "trigger warning")
		if err == nil {
			s.say("somebody reads it, and restores the permission while a retry is still to come")
			s.world.grant()
		}
		restored <- err
	}()
	j, err = s.follow(ctx, s.teller(), j.GetName())
	if err != nil {
		return outcome{}, err
	}
	return outcomeOf(j, "warned before the last retry, resolved"), errors.Join(
		<-restored, want(j, redrivev1.Job_STATE_SUCCEEDED), wantClass(ctx, s, j, "permission"), s.alerted(ctx, j.GetName(), "resolve"))
}

func bug(ctx context.Context, s *stage) (outcome, error) {
	j, err := s.run(ctx, work{step: "regional-report", engine: "process", args: []string{s.program("report")}})
	if err != nil {
		return outcome{}, err
	}
	err = errors.Join(want(j, redrivev1.Job_STATE_FAILED), wantClass(ctx, s, j, "code.bug"), s.alerted(ctx, j.GetName(), "trigger page"))
	if n := len(j.GetAttempts()); n != 1 {
		err = errors.Join(err, fmt.Errorf("%d attempts before the fix, want one", n))
	}
	if err != nil {
		return outcomeOf(j, ""), err
	}
	s.say("an engineer fixes the program and runs: redrive retry %s", j.GetName())
	t := s.teller()
	if _, err := t.Tell(ctx, j); err != nil { // what is told already
		return outcomeOf(j, ""), err
	}
	_, err = s.call.scheduler.RetryJob(ctx, &redrivev1.RetryJobRequest{
		Name: j.GetName(), Reason: "regions without orders are handled", Process: &redrivev1.ProcessTask{Args: []string{s.program("report-fixed")}},
	})
	if err != nil {
		return outcomeOf(j, ""), err
	}
	if j, err = s.follow(ctx, t, j.GetName()); err != nil {
		return outcome{}, err
	}
	return outcomeOf(j, "paged at once, fixed by a human, resolved"), errors.Join(
		want(j, redrivev1.Job_STATE_SUCCEEDED), s.alerted(ctx, j.GetName(), "resolve"))
}

func mystery(ctx context.Context, s *stage) (outcome, error) {
	j, err := s.run(ctx, work{step: "plate-samples", engine: "process", args: []string{s.program("mystery")}})
	if err != nil {
		return outcome{}, err
	}
	n := len(j.GetAttempts())
	if n < 2 || n > 3 {
		err = fmt.Errorf("%d attempts, want two or three", n)
	}
	return outcomeOf(j, "a small budget, then stopped"), errors.Join(
		err, want(j, redrivev1.Job_STATE_FAILED), wantClass(ctx, s, j, "unknown"), s.alerted(ctx, j.GetName(), "trigger page"))
}

func heap(ctx context.Context, s *stage) (outcome, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		s.live.Print("   " + s.live.Warn("skipped: there is no java on this machine"))
		return outcome{ended: "–", note: "no java here", skipped: true}, nil
	}
	source := filepath.Join(s.o.Data, "Sessions.java")
	if err := os.WriteFile(source, jvm.Sessions, 0o600); err != nil {
		return outcome{}, err
	}
	j, err := s.run(ctx, work{
		step: "daily-sessions", engine: "jvm", config: map[string]any{"heap_mb": 64.0, "sessions": 100_000.0},
		args: []string{java, "-Xmx{{config.heap_mb}}m", source, "{{config.sessions}}"},
	})
	if err != nil {
		return outcome{}, err
	}
	attempts := j.GetAttempts()
	note := fmt.Sprintf("-Xmx 64 → %v MiB", attempts[len(attempts)-1].GetConfig().AsMap()["heap_mb"])
	return outcomeOf(j, note), errors.Join(want(j, redrivev1.Job_STATE_SUCCEEDED), wantClass(ctx, s, j, "memory.driver"))
}

func (s *stage) teller() *story.Teller {
	return &story.Teller{Scheduler: s.call.scheduler, Classifier: s.call.classifier, Style: s.live.Style}
}
