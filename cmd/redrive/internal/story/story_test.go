package story_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/story"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func TestTheStatusCountsDown(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	at := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(now.Add(d)) }
	first := []*redrivev1.Attempt{{Number: 1, StartTime: at(-90 * time.Second)}}
	for _, tc := range []struct {
		job  *redrivev1.Job
		want string
	}{
		{nil, ""},
		{&redrivev1.Job{State: redrivev1.Job_STATE_QUEUED}, "attempt 1 is about to start"},
		{&redrivev1.Job{State: redrivev1.Job_STATE_RUNNING, Attempts: first}, "attempt 1 has been running for 90 s"},
		{&redrivev1.Job{State: redrivev1.Job_STATE_CLASSIFYING, Attempts: first}, "finding out why it failed"},
		{&redrivev1.Job{State: redrivev1.Job_STATE_WAITING, Attempts: first, DueTime: at(12300 * time.Millisecond)}, "attempt 2 starts in 12 s"},
		{&redrivev1.Job{State: redrivev1.Job_STATE_WAITING, Attempts: first, DueTime: at(-time.Second)}, "attempt 2 is about to start"},
		{&redrivev1.Job{State: redrivev1.Job_STATE_FAILED, Attempts: first}, ""},
	} {
		if got := story.Status(tc.job, now); got != tc.want {
			t.Errorf("Status of %v = %q, want %q", tc.job.GetState(), got, tc.want)
		}
	}
}

func TestAJobThatIsPutBackToWorkHasASecondEnd(t *testing.T) {
	teller := &story.Teller{}
	job := &redrivev1.Job{Name: "jobs/a", State: redrivev1.Job_STATE_FAILED}
	var ends int
	for _, state := range []redrivev1.Job_State{
		redrivev1.Job_STATE_FAILED, redrivev1.Job_STATE_FAILED, redrivev1.Job_STATE_QUEUED, redrivev1.Job_STATE_SUCCEEDED, redrivev1.Job_STATE_SUCCEEDED,
	} {
		job.State = state
		lines, err := teller.Tell(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		ends += len(lines)
	}
	if ends != 2 {
		t.Errorf("%d ends were told, want 2", ends)
	}
}

func TestAnAttemptThatCouldNotStartSaysWhy(t *testing.T) {
	now := timestamppb.Now()
	job := &redrivev1.Job{Name: "jobs/a", Attempts: []*redrivev1.Attempt{{Number: 1, StartTime: now, EndTime: now, Evidence: &redrivev1.Evidence{
		TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_NOT_STARTED, TerminationProof: `cannot start "/x": no such file`,
	}}}}
	lines, err := (&story.Teller{}).Tell(t.Context(), job)
	if want := `attempt 1  fails after 0 s: cannot start "/x": no such file`; err != nil || len(lines) != 2 || lines[1] != want {
		t.Errorf("Tell = %q, %v; want %q at the end", lines, err, want)
	}
}

func TestWhatIsKnownAlreadyIsLeftOut(t *testing.T) {
	now := timestamppb.Now()
	job := &redrivev1.Job{Name: "jobs/a", State: redrivev1.Job_STATE_QUEUED, Attempts: []*redrivev1.Attempt{
		{Number: 1, StartTime: now, EndTime: now, Decision: "jobs/a/decisions/1", Failure: "failures/f"},
	}}
	teller := &story.Teller{}
	teller.Skip(job)
	job.Attempts = append(job.Attempts, &redrivev1.Attempt{Number: 2, StartTime: now})
	lines, err := teller.Tell(t.Context(), job)
	if err != nil || len(lines) != 1 || lines[0] != "attempt 2  starts" {
		t.Errorf("Tell = %q, %v; want the second attempt alone", lines, err)
	}
}
