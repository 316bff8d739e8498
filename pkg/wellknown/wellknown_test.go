package wellknown_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/wellknown"
)

func TestZeroIsAbsent(t *testing.T) {
	if wellknown.Timestamp(time.Time{}) != nil || !wellknown.Time(nil).IsZero() || wellknown.Duration(0) != nil {
		t.Error("zero is not absent")
	}
	if got := wellknown.Time(&timestamppb.Timestamp{Seconds: 1 << 60}); !got.IsZero() {
		t.Errorf("a timestamp that is no time = %v, want the zero time", got)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 123, time.UTC)
	if got := wellknown.Time(wellknown.Timestamp(now)); !got.Equal(now) {
		t.Errorf("time = %v, want %v", got, now)
	}
	if got := wellknown.Duration(time.Second).AsDuration(); got != time.Second {
		t.Errorf("duration = %v, want 1s", got)
	}
}
