package wire_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/wire"
)

// TestTheEndOfSomeLogsIsTold of attempts that succeed: of one in eight, always
// the same ones, and not more than 16 KiB.
func TestTheEndOfSomeLogsIsTold(t *testing.T) {
	tail := func(id string, effect job.Effect, logs ...failure.Log) string {
		w := told()
		w.Job.ID, w.Job.SourceJob, w.Evidence.Logs = id, id, logs
		e, err := wire.Event(effect, w, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var m redrivev1.AttemptSucceeded
		if err := e.Decode(&m); err != nil {
			t.Fatal(err)
		}
		return m.GetLogTail()
	}
	long := failure.Log{Source: "stderr", Head: strings.Repeat("a warning é\n", 4000), Tail: strings.Repeat("é", 20_000)}
	short := failure.Log{Source: "stdout", Head: "done"}
	const attempts = 4000
	sampled := 0
	for n := range attempts {
		id := fmt.Sprint("job-", n)
		got := tail(id, job.TellSucceeded, short, long, failure.Log{Source: "events"})
		if got == "" {
			continue
		}
		sampled++
		if again := tail(id, job.TellSucceeded, short, long, failure.Log{Source: "events"}); again != got {
			t.Errorf("%s: another tail is told the second time", id)
		}
		if len(got) > 16<<10 || !utf8.ValidString(got) || !strings.HasPrefix(got, "done\n") || !strings.HasSuffix(got, "é\n") {
			t.Errorf("%s: %d bytes %.20q… are told", id, len(got), got)
		}
		if none := tail(id, job.TellSucceeded); none != "" {
			t.Errorf("%s without logs tells %q", id, none)
		}
	}
	if sampled < attempts/16 || sampled > attempts/4 {
		t.Errorf("the logs of %d of %d attempts are told, want one in eight", sampled, attempts)
	}
}
