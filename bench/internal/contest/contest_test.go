package contest

import (
	"bytes"
	"context"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	r, err := Parse([]byte(`{"cycles":50,"seconds":2,"cpu":1,"waits":[300,100,200]}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Rate() != 25 || r.CPUPerCycle() != 20*time.Millisecond || r.Wait(0.5) != 200*time.Microsecond || r.Wait(0.99) != 300*time.Microsecond {
		t.Errorf("%v/s, %v, waits %v and %v", r.Rate(), r.CPUPerCycle(), r.Wait(0.5), r.Wait(0.99))
	}
	for _, bad := range []string{"", "hello", `{"cycles":0,"seconds":2}`, `{"cycles":5,"seconds":0}`} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("Parse(%q) = nil, want an error", bad)
		}
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{1: {1}, 1.5: {2, 1}, 2: {3, 1, 2}, 2.5: {4, 1, 3, 2}} {
		if got := Median(values); got != want {
			t.Errorf("Median(%v) = %v, want %v", values, got, want)
		}
	}
}

func TestRatiosCompareTheSameRound(t *testing.T) {
	fixed := func(rates ...int64) Contestant {
		return Contestant{Name: "c", Run: func(context.Context) (Result, error) {
			r := Result{Cycles: rates[0], Seconds: 1, CPU: 1, Waits: []int64{1000 * rates[0]}}
			rates = rates[1:]
			return r, nil
		}}
	}
	ours, theirs := fixed(20, 2, 400), fixed(10, 1, 100)
	ours.Name, theirs.Name = "ours", "theirs"
	rs, err := Hold(t.Context(), io.Discard, []Contestant{ours, theirs}, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Ratio{rs.Rates("rate", "ours", "theirs"), rs.CPU("cpu", "ours", "theirs")} {
		if r.Value() != 2 || len(r.Values) != 3 {
			t.Errorf("%s = %v of %v, want 2 of 3", r.Name, r.Value(), r.Values)
		}
	}
	if r := rs.Waits("wait", "ours", "theirs", 0.5); r.Value() != 0.5 {
		t.Errorf("wait = %v, want 0.5", r.Value())
	}
}

func TestRatiosAreTheLastLines(t *testing.T) {
	var b bytes.Buffer
	if err := PrintRatios(&b, []Ratio{{"a/b", []float64{3, 1, 2}}, {"c", []float64{0.25}}}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(b.String(), "\nratio a/b 2\nratio c 0.25\n") {
		t.Errorf("it ends %q", b.String())
	}
	for _, bad := range [][]float64{nil, {math.NaN()}, {1, math.Inf(1)}, {0}} {
		if err := PrintRatios(io.Discard, []Ratio{{"bad", bad}}); err == nil {
			t.Errorf("ratio of %v = nil, want an error", bad)
		}
	}
}

func TestMeterCountsWithinTheTime(t *testing.T) {
	var m Meter
	m.Cycled() // too early
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !m.counts.Load() {
			runtime.Gosched()
		}
		m.Cycled()
		m.Waited(time.Second)
	}()
	r, err := m.Measure(t.Context(), Span{Run: 300 * time.Millisecond})
	<-done
	m.Cycled() // too late
	if err != nil || r.Cycles != 1 || len(r.Waits) != 1 || r.Seconds < 0.3 {
		t.Errorf("%+v (%v), want one cycle in 0.3 s", r, err)
	}
}
