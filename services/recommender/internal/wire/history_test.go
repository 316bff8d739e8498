package wire_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// attempt returns one of which everything is known.
func attempt(r *rand.Rand, i int, end time.Time) history.Attempt {
	bytes := func() map[engine.Part]int64 {
		return map[engine.Part]int64{engine.Tree: r.Int64(), engine.Heap: r.Int64()}
	}
	return history.Attempt{
		ID: failure.Attempt{Source: "airflow", Job: fmt.Sprint("j", i), Number: 2}.FailureID(), Previous: fmt.Sprint(r.Int64()),
		Outcome: history.Outcome(1 + r.IntN(2)), End: end, Seconds: r.Float64(), Input: r.Int64(), Sizes: bytes(), Peaks: bytes(),
		Limit: r.Int64(), Peak: r.Int64(), Killed: r.IntN(2) == 0, TimedOut: r.IntN(2) == 0,
		Shape: failure.Shape{
			Name: "m5.xlarge x 8", InstanceType: "m5.xlarge", Nodes: 8, CoresPerNode: r.Float64(), MemoryPerNode: r.Int64(),
			DollarsPerHour: r.Float64(), Spot: true,
		},
		Class: failure.MemoryContainer, Fingerprint: "f", Setting: "s",
	}
}

func TestAHistoryIsReadAsItWasWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, attempts := range []int{0, 1, history.MaxAttempts, 200, 2000} {
		want := history.History{Type: failure.Type{Workflow: "w", Step: "s", Engine: engine.Process}, Updated: time.Unix(5, 6).UTC()}
		end := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for i := range attempts {
			end = end.Add(time.Duration(r.Int64N(int64(time.Hour))))
			want = want.Learn(attempt(r, i, end))
		}
		text, err := proto.Marshal(wire.History(want))
		if err != nil {
			t.Fatal(err)
		}
		var p redrivev1.JobTypeHistory
		if err := proto.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		if got := wire.HistoryFromProto(&p); !reflect.DeepEqual(got, want) {
			t.Errorf("%d attempts: read %+v\nwant %+v", attempts, got, want)
		}
		if most := 48 << 10; len(text) > most {
			t.Errorf("%d attempts: %d bytes are stored, want %d at most", attempts, len(text), most)
		}
	}
}
