package advise_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advise"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

const mib, gib = 1 << 20, 1 << 30

func settings(failure.Type, string, failure.Class) search.Settings {
	return search.Settings{
		Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9, MinObservations: 3, MaxMemory: 64 * gib, MinSeconds: 60,
	}
}

// outcome tells how an attempt ended; peak 0 is a failure.
func outcome(id, attempt int, input, memory, peak float64) string {
	return fmt.Sprintf(`{"kind":"outcome","id":%d,"source":"s","workflow":"w","task_type":"sort","attempt":%d,"ok":%v,"mem_bytes":%.0f,"peak_bytes":%.0f,"runtime_s":60,"input_bytes":%.0f,"cores":2}`,
		id, attempt, peak > 0, memory, peak, input)
}

// first asks for a first attempt, again for a retry.
func first(id int, input, preset float64) string {
	return fmt.Sprintf(`{"kind":"allocate","id":%d,"source":"s","workflow":"w","task_type":"sort","attempt":1,"input_bytes":%.0f,"cores":2,"preset_mem_bytes":%.0f,"cap_mem_bytes":%d,"failed":false}`,
		id, input, preset, int64(128*gib))
}

func again(id int, input, preset, last, ceiling float64) string {
	return fmt.Sprintf(`{"kind":"allocate","id":%d,"source":"s","workflow":"w","task_type":"sort","attempt":2,"input_bytes":%.0f,"cores":2,"preset_mem_bytes":%.0f,"cap_mem_bytes":%.0f,"failed":true,"last_mem_bytes":%.0f,"prev":[{"mem_bytes":%.0f,"cores":2,"runtime_s":60,"reason":"oom"}]}`,
		id, input, preset, ceiling, last, last)
}

type answer struct {
	ID     int
	Action string
	Memory float64 `json:"mem_bytes"`
	Cores  float64
}

// ask plays lines and returns the answers.
func ask(t *testing.T, lines ...string) []answer {
	t.Helper()
	var out bytes.Buffer
	if err := advise.Run(t.Context(), strings.NewReader(strings.Join(lines, "\n")), &out, settings); err != nil {
		t.Fatal(err)
	}
	var all []answer
	for line := range strings.Lines(out.String()) {
		var a answer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("answer %q: %v", line, err)
		}
		all = append(all, a)
	}
	return all
}

// learnt are outcomes of a program that needs 200 MiB and twice its input.
func learnt(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	var lines []string
	for i := range n {
		input := 2 * gib * r.Float64()
		lines = append(lines, outcome(i, 1, input, 16*gib, 200*mib+2*input))
	}
	return lines
}

func TestAFirstAttemptIsSizedByItsInput(t *testing.T) {
	got := ask(t, append(learnt(60), first(100, gib, 16*gib), first(101, gib/4, 16*gib))...)
	if len(got) != 2 || got[0].ID != 100 || got[1].ID != 101 {
		t.Fatalf("answers = %+v, want those of 100 and 101", got)
	}
	for i, need := range []float64{2.2 * gib, 0.7 * gib} {
		if a := got[i]; a.Action != "run" || a.Memory < 0.98*need || a.Memory > 1.25*need || a.Cores != 2 {
			t.Errorf("answer = %+v, want about %.2g bytes", a, need)
		}
	}
}

func TestAFirstRunHasAtMostWhatItsAuthorAskedFor(t *testing.T) {
	if got := ask(t, first(1, gib, 8*gib)); got[0].Memory != 8*gib {
		t.Errorf("without any other type = %+v, want the request", got[0])
	}
	var lines []string
	for i := range 6 { // six other types used a tenth of what they had asked for
		other := func(line string) string {
			return strings.Replace(line, `"task_type":"sort"`, fmt.Sprintf(`"task_type":"other%d"`, i), 1)
		}
		lines = append(lines, other(first(i, gib, 20*gib)), other(outcome(i, 1, gib, 20*gib, 2*gib)))
	}
	got := ask(t, append(lines, first(9, gib, 8*gib))...)
	if last := got[len(got)-1]; last.Memory < 0.7*gib || last.Memory > 1.1*gib {
		t.Errorf("answer = %+v, want a tenth of the request", last)
	}
}

func TestARetryGetsWhatTheInputNeeds(t *testing.T) {
	got := ask(t, append(learnt(60), outcome(100, 1, gib, gib, 0), again(100, gib, gib, gib, 128*gib))...)
	if a := got[0]; a.Action != "run" || a.Memory < 2.2*gib || a.Memory > 2.6*gib {
		t.Errorf("answer = %+v, want about 2.2 GiB", a)
	}
}

func TestARetryOfALoweredAttemptHasAtMostTheRequest(t *testing.T) {
	got := ask(t, append(learnt(60), outcome(100, 1, gib, 5*gib, 0), again(100, gib, 6*gib, 5*gib, 128*gib))...)
	if a := got[0]; a.Action != "run" || a.Memory <= 5*gib || a.Memory > 6*gib {
		t.Errorf("answer = %+v, want more than 5 and at most 6 GiB", a)
	}
	got = ask(t, outcome(100, 1, gib, 5*gib, 0), again(100, gib, 6*gib, 5*gib, 128*gib))
	if a := got[0]; a.Memory != 6*gib {
		t.Errorf("of a type that never ran = %+v, want the request", a)
	}
}

func TestATaskThatNeedsMoreThanThereIsIsStopped(t *testing.T) {
	lines := append(learnt(60), outcome(100, 1, 8*gib, 4*gib, 0))
	if got := ask(t, append(lines, again(100, 8*gib, 4*gib, 4*gib, 8*gib))...); got[0].Action != "stop" {
		t.Errorf("answer = %+v, want stop: it needs 16 GiB of 8", got[0])
	}
	if got := ask(t, append(lines, again(100, 8*gib, 4*gib, 4*gib, 64*gib))...); got[0].Action != "run" {
		t.Errorf("answer = %+v, want run: there are 64 GiB", got[0])
	}
}

func TestTheSameLinesGiveTheSameAnswers(t *testing.T) {
	lines := learnt(150)
	for i := range 40 {
		lines = append(lines, first(200+i, float64(i)*100*mib, 16*gib), again(300+i, float64(i)*100*mib, gib, gib, 128*gib))
	}
	want := fmt.Sprint(ask(t, lines...))
	for range 3 {
		if got := fmt.Sprint(ask(t, lines...)); got != want {
			t.Fatalf("answers = %s\nwant %s", got, want)
		}
	}
}

func TestALineThatCannotBeAnsweredIsNamed(t *testing.T) {
	for _, tc := range []struct{ name, line, want string }{
		{"no JSON", `{`, "line 2: "},
		{"a kind that is none", `{"kind":"ask"}`, `line 2: kind: "ask" is none of `},
		{"an amount below nothing", first(1, -5, gib), "line 2: input_bytes: -5 is not an amount"},
		{"no task type", strings.Replace(first(1, 5, gib), `"sort"`, `""`, 1), "line 2: task_type: must have 1 to "},
		{"a name for a number", strings.Replace(first(1, 5, gib), `"cores":2`, `"cores":"two"`, 1), "line 2: cores: takes a number, not this string"},
		{"a list", `[]`, "line 2: must be an object, not this array"},
		{"no size of a cluster's job", `{"kind":"history","workload":"w","framework":"spark"}`, "line 2: data_size: must have 1 to "},
		{"too many cores", strings.Replace(first(1, 5, gib), `"cores":2`, `"cores":1e9`, 1), "line 2: config.cores: "},
		{"an attempt that is none", strings.Replace(again(1, 5, gib, gib, gib), `"attempt":2`, `"attempt":-2`, 1), "line 2: attempt: "},
		{"a line without an end", strings.Repeat("x", 17<<20), "line 2: has more than 16 MiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := strings.NewReader(outcome(1, 1, 5, gib, mib) + "\n" + tc.line + "\n")
			err := advise.Run(t.Context(), in, io.Discard, settings)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) || !errs.Is(err, errs.Invalid) {
				t.Errorf("error = %v, want Invalid, %s…", err, tc.want)
			}
		})
	}
}

func TestItEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := advise.Run(ctx, strings.NewReader(first(1, 5, gib)), io.Discard, settings); err != nil {
		t.Errorf("error = %v, want none", err)
	}
	broken := errors.New("broken pipe")
	if err := advise.Run(t.Context(), strings.NewReader(first(1, 5, gib)), closed{broken}, settings); !errors.Is(err, broken) {
		t.Errorf("error = %v, want %v", err, broken)
	}
}

type closed struct{ err error }

func (c closed) Write([]byte) (int, error) { return 0, c.err }

func FuzzRun(f *testing.F) {
	f.Add(first(1, gib, gib))
	f.Add(again(1, gib, gib, gib, gib))
	f.Add(outcome(1, 1, gib, gib, mib) + "\n" + again(1, gib, gib, gib, 2*gib))
	f.Add(`{"kind":"allocate","failed":true,"prev":[{}]}`)
	f.Add(ran(2) + "\n" + ran(8) + "\n" + asks("timeout", 4))
	f.Add(asks("error", 4, 8))
	f.Add(`{"kind":"choose","data_size":"0","failed":[{}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		err := advise.Run(t.Context(), strings.NewReader(strings.Join(learnt(3), "\n")+"\n"+text), io.Discard, settings)
		if err != nil && !errs.Is(err, errs.Invalid) {
			t.Fatalf("error = %v, want none or Invalid", err)
		}
	})
}

func BenchmarkRun(b *testing.B) {
	for name, question := range map[string]func(i int) string{
		"first": func(i int) string { return first(i, float64(i%97)*mib, 16*gib) },
		"again": func(i int) string { return again(i, float64(i%97)*30*mib, gib/4, gib/4, 128*gib) },
	} {
		b.Run(name, func(b *testing.B) {
			lines := learnt(400 + b.N)
			for i := range b.N {
				lines[400+i] += "\n" + question(i)
			}
			text := strings.Join(lines, "\n")
			b.ResetTimer()
			if err := advise.Run(b.Context(), strings.NewReader(text), io.Discard, settings); err != nil {
				b.Fatal(err)
			}
		})
	}
}
