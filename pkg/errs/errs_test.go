package errs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/redrive-io/redrive/pkg/errs"
)

func TestKindSurvivesWrappingAndTheWire(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want errs.Kind
		code codes.Code
	}{
		{"nil", nil, errs.None, codes.OK},
		{"plain error is a defect", errors.New("boom"), errs.Internal, codes.Internal},
		{"invalid field", errs.Field("job.type", "is required"), errs.Invalid, codes.InvalidArgument},
		{"wrapped conflict", fmt.Errorf("put job: %w", errs.New(errs.Conflict, "revision 3")), errs.Conflict, codes.Aborted},
		{"unavailable with delay", errs.Again(time.Second, "store is down"), errs.Unavailable, codes.Unavailable},
		{"precondition", errs.New(errs.FailedPrecondition, "job has ended"), errs.FailedPrecondition, codes.FailedPrecondition},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := errs.KindOf(tc.err); got != tc.want {
				t.Errorf("KindOf = %v, want %v", got, tc.want)
			}
			sent := errs.ToStatus(tc.err)
			if got := status.Code(sent); got != tc.code {
				t.Errorf("code = %v, want %v", got, tc.code)
			}
			if got := errs.KindOf(errs.FromStatus(sent)); got != tc.want {
				t.Errorf("kind after the wire = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestDetailsCrossTheWire(t *testing.T) {
	both := errs.Fields(nil, errs.Field("a", "must be set"), errs.Field("b", "must be positive"))
	got, ok := errors.AsType[*errs.Error](errs.FromStatus(errs.ToStatus(both)))
	if !ok || len(got.Violations) != 2 || got.Violations[1].Field != "b" {
		t.Errorf("violations = %+v, want those of a and b", got)
	}
	late, _ := errors.AsType[*errs.Error](errs.FromStatus(errs.ToStatus(errs.Again(3*time.Second, "busy"))))
	if late.RetryAfter != 3*time.Second {
		t.Errorf("RetryAfter = %v, want 3s", late.RetryAfter)
	}
	if errs.Fields(nil, nil) != nil {
		t.Error("Fields of no error is an error")
	}
}

func TestWithinPutsFieldsBelowAnother(t *testing.T) {
	err := errs.Within("job", errs.Fields(errs.Field("config.cores", "must be positive"), errs.Field("type", "is required")))
	want := "job.config.cores: must be positive\njob.type: is required"
	if err.Error() != want || !errs.Is(err, errs.Invalid) {
		t.Errorf("Within = %q, want %q", err, want)
	}
	other := errs.New(errs.NotFound, "gone")
	if got := errs.Within("job", other); !errors.Is(got, other) || errs.Within("job", nil) != nil {
		t.Errorf("Within changes an error without fields: %v", got)
	}
}

func TestInternalTextIsNotSent(t *testing.T) {
	sent := errs.ToStatus(errors.New("password is hunter2"))
	if got := status.Convert(sent).Message(); got != "internal error" {
		t.Errorf("message = %q, want the text hidden", got)
	}
	if got := status.Code(errs.ToStatus(fmt.Errorf("read: %w", context.DeadlineExceeded))); got != codes.DeadlineExceeded {
		t.Errorf("code = %v, want DeadlineExceeded", got)
	}
}
