//go:build cluster

package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// tellFailure tells that an attempt failed, as often and by the doors that the
// job has, and returns the one decision.
func (l *load) tellFailure(ctx context.Context, c *clients, j *oneJob, n int, original, config map[string]any, said string) (*redrivev1.Decision, error) {
	req := &redrivev1.ReportFailureRequest{
		Attempt: j.ref(n).Proto(), Type: j.kindOf(), Config: object(original), AttemptConfig: object(config), Evidence: evidence(j, said), Owner: "tests",
	}
	doors := 1
	if j.twice {
		doors = 2
	}
	told := make([]*redrivev1.Decision, doors)
	group, ctx := errgroup.WithContext(ctx)
	for i := range told {
		group.Go(func() (err error) {
			if j.byEvent && i == 0 {
				told[i], err = l.failByEvent(ctx, c, j, n, req)
				return err
			}
			told[i], err = failByCall(ctx, c, req)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := sameDecision(told); err != nil {
		return nil, err
	}
	return told[0], nil
}

// evidence is what the other scheduler knows of an attempt that failed.
func evidence(j *oneJob, said string) *redrivev1.Evidence {
	if j.kind == "memory" {
		return &redrivev1.Evidence{
			TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_OUT_OF_MEMORY, TerminationProof: "oom_kill 1",
			Signal: 9, MemoryLimitBytes: little << 20,
		}
	}
	return &redrivev1.Evidence{
		TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_EXITED, ExitCode: proto.Int32(1),
		Logs: []*redrivev1.Log{{Source: "stderr", Head: said, SizeBytes: int64(len(said))}},
	}
}

// failByCall calls until the decision is made.
func failByCall(ctx context.Context, c *clients, req *redrivev1.ReportFailureRequest) (*redrivev1.Decision, error) {
	for {
		res, err := c.scheduler.ReportFailure(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("report failure %d: %w", req.GetAttempt().GetAttempt(), err)
		}
		if d := res.GetDecision(); d != nil {
			return d, nil
		}
	}
}

// failByEvent publishes the failure and asks until the decision is made.
func (l *load) failByEvent(ctx context.Context, c *clients, j *oneJob, n int, req *redrivev1.ReportFailureRequest) (*redrivev1.Decision, error) {
	err := l.publish(ctx, j, n, "attempt.failed", &redrivev1.AttemptFailed{
		Attempt: req.GetAttempt(), Type: req.GetType(), Config: req.GetConfig(), AttemptConfig: req.GetAttemptConfig(),
		Evidence: req.GetEvidence(), Owner: req.GetOwner(),
	})
	if err != nil {
		return nil, err
	}
	var d *redrivev1.Decision
	err = until(ctx, "no decision on "+j.ref(n).DecisionName(), func(ctx context.Context) (err error) {
		d, err = c.scheduler.GetDecision(ctx, &redrivev1.GetDecisionRequest{Name: j.ref(n).DecisionName()})
		return err
	})
	return d, err
}

// tellSuccess tells that an attempt succeeded.
func (l *load) tellSuccess(ctx context.Context, c *clients, j *oneJob, n int, original, config map[string]any) error {
	e := &redrivev1.Evidence{TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_EXITED, ExitCode: proto.Int32(0)}
	if !j.byEvent {
		_, err := c.scheduler.ReportSuccess(ctx, &redrivev1.ReportSuccessRequest{
			Attempt: j.ref(n).Proto(), Type: j.kindOf(), Config: object(original), AttemptConfig: object(config), Evidence: e,
		})
		return err
	}
	err := l.publish(ctx, j, n, "attempt.succeeded", &redrivev1.AttemptSucceeded{
		Attempt: j.ref(n).Proto(), Type: j.kindOf(), Config: object(original), AttemptConfig: object(config), Evidence: e,
	})
	if err != nil {
		return err
	}
	return until(ctx, j.name()+" has not succeeded", func(ctx context.Context) error {
		got, err := c.scheduler.GetJob(ctx, &redrivev1.GetJobRequest{Name: j.name()})
		if err == nil && got.GetState() != redrivev1.Job_STATE_SUCCEEDED {
			err = fmt.Errorf("it is %v", got.GetState())
		}
		return err
	})
}

// publish publishes an event as another scheduler does: again until it is
// acknowledged.
func (l *load) publish(ctx context.Context, j *oneJob, n int, kind string, payload proto.Message) error {
	data, err := proto.Marshal(payload)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("%s-%d-%s", j.id, n, kind)
	msg := &nats.Msg{Subject: "redrive.report." + kind, Header: nats.Header{}, Data: data}
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": id, "ce-source": source, "ce-type": kind, "ce-subject": j.id,
		"ce-time": time.Now().UTC().Format(time.RFC3339Nano), "Content-Type": "application/protobuf", "Nats-Msg-Id": source + "/" + id,
	} {
		msg.Header.Set(name, value)
	}
	return until(ctx, "publish "+id, func(ctx context.Context) error {
		_, err := l.d.guest.PublishMsg(ctx, msg)
		return errs.FromStatus(err)
	})
}

func object(m map[string]any) *structpb.Struct {
	s, err := structpb.NewStruct(m)
	if err != nil {
		panic(err) // the values are of this file
	}
	return s
}

// sameDecision compares what two callers were told.
func sameDecision(all []*redrivev1.Decision) error {
	all = slices.DeleteFunc(all, func(d *redrivev1.Decision) bool { return d == nil })
	for _, d := range all[min(1, len(all)):] {
		if !proto.Equal(d, all[0]) {
			return fmt.Errorf("two decisions on one failure: %v and %v", all[0], d)
		}
	}
	return nil
}
