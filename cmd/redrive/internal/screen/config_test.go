package screen_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func TestConfigurationsAndWhatChangedInThem(t *testing.T) {
	build := func(m map[string]any) *structpb.Struct {
		s, err := structpb.NewStruct(m)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := build(map[string]any{"memory_mb": 128, "mode": "fast\x1b", "gone": true, "spark": map[string]any{"cores": 1, "same": nil}})
	after := build(map[string]any{"memory_mb": 1 << 20, "mode": "fast\x1b", "list": []any{1, "a"}, "spark": map[string]any{"cores": 2, "same": nil}})
	if got, want := screen.Config(before), "gone=true memory_mb=128 mode=fast· spark/cores=1 spark/same=null"; got != want {
		t.Errorf("Config = %q, want %q", got, want)
	}
	want := `[gone true → (removed) list → [1,"a"] (added) memory_mb 128 → 1048576 spark/cores 1 → 2]`
	if got := fmt.Sprint(screen.Changes(before, after)); got != want {
		t.Errorf("Changes = %s, want %s", got, want)
	}
	if got := screen.Changes(after, after); got != nil {
		t.Errorf("Changes of the same = %v, want none", got)
	}
}

func TestHowAttemptsEnd(t *testing.T) {
	code := int32(3)
	for _, tc := range []struct {
		e    *redrivev1.Evidence
		want string
	}{
		{nil, "failed"},
		{&redrivev1.Evidence{ExitCode: &code}, "exit code 3"},
		{&redrivev1.Evidence{Signal: 9}, "ended by SIGKILL"},
		{&redrivev1.Evidence{Signal: 99}, "ended by signal 99"},
		{&redrivev1.Evidence{TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_OUT_OF_MEMORY, MemoryLimitBytes: 64 << 20}, "killed at its memory limit of 64 MiB"},
		{&redrivev1.Evidence{TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_TIMEOUT}, "killed at its run timeout"},
		{&redrivev1.Evidence{TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_LOST}, "lost without a record of its end"},
	} {
		if got := screen.End(tc.e); got != tc.want {
			t.Errorf("End(%v) = %q, want %q", tc.e, got, tc.want)
		}
	}
}

func TestAnAttemptTookWhatWasMeasuredWhereItRan(t *testing.T) {
	at := &redrivev1.Attempt{StartTime: timestamppb.New(time.Unix(1000, 0)), EndTime: timestamppb.New(time.Unix(1240, 0))}
	if got := screen.Took(at); got != "4 min" {
		t.Errorf("Took without a measurement = %q, want 4 min", got)
	}
	at.Evidence = &redrivev1.Evidence{Duration: durationpb.New(6 * time.Second)}
	if got := screen.Took(at); got != "6 s" {
		t.Errorf("Took of an attempt whose end was heard late = %q, want 6 s", got)
	}
}

func TestTheLiveLineStaysBelowTheLines(t *testing.T) {
	var plain, terminal strings.Builder
	for w, style := range map[*strings.Builder]screen.Style{&plain: {}, &terminal: {Width: 20}} {
		live := screen.NewLive(w, style)
		live.Print("one")
		live.Status("a status that is too long for the line")
		live.Status("short")
		live.Print("two")
		live.Status("")
	}
	if got := plain.String(); got != "one\ntwo\n" {
		t.Errorf("without a terminal: %q", got)
	}
	if got, want := terminal.String(), "one\na status that is t…\r\x1b[Kshort\r\x1b[Ktwo\n"; got != want {
		t.Errorf("on a terminal: %q, want %q", got, want)
	}
}
