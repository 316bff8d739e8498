package trace

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	gb         = 1e9
	mib        = 1 << 20
	perGBHour  = 0.005 // US dollars, as of the traces
	perCore    = 0.04  // US dollars an hour
	maxRetries = 3
	warmUp     = 10 // runs of a type that a stale setting is made of
)

// task is one made-up execution.
type task struct {
	kind                               string
	input, peak, preset, cores, second float64
}

// made makes up tasks of three types, whose peak grows with the input, jumps
// between two levels, or is always nearly the same.
func made(n int) []task {
	r := rand.New(rand.NewPCG(7, 11))
	noise := func() float64 { return math.Exp(0.05 * r.NormFloat64()) }
	var all []task
	for i := range n {
		input := gb * math.Exp(0.7*r.NormFloat64())
		level := 1.5 * gb
		if r.IntN(10) < 3 {
			level = 4 * gb
		}
		all = append(all,
			task{"line", input, (0.3*gb + 1.2*input) * noise(), 16 * gb, 2, 300},
			task{"levels", input, level * noise(), 8 * gb, 1, 120},
			task{"steady", input, 0.7 * gb * noise(), 2 * gb, 1, float64(60 + i%30)},
		)
	}
	return all
}

// Made plays n made-up tasks of each of three types against doubling, an oracle
// and the policy that a command line starts. In a remedy the first attempts have
// a stale setting, and the policy is asked for the retries alone.
func Made(ctx context.Context, line string, n int, remedy bool) (all []Result, err error) {
	tasks := made(n)
	peaks := oracle{}
	for i, t := range tasks {
		peaks[i] = t.peak
	}
	ours, err := startCommand(ctx, line)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	for _, p := range []struct {
		name string
		policy
	}{{"doubling", doubling{}}, {"cmd:" + line, ours}, {"oracle", peaks}} {
		score, err := play(tasks, p, remedy)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		all = append(all, Result{Policy: p.name, Total: score})
	}
	return all, nil
}

// stale is what somebody sized each type with once: the median of its first
// runs.
func stale(tasks []task) map[string]float64 {
	first, settings := map[string][]float64{}, map[string]float64{}
	for _, t := range tasks {
		if len(first[t.kind]) < warmUp {
			first[t.kind] = append(first[t.kind], t.peak)
		}
	}
	for kind, peaks := range first {
		slices.Sort(peaks)
		settings[kind] = peaks[len(peaks)/2]
	}
	return settings
}

func play(tasks []task, p policy, remedy bool) (s Score, err error) {
	settings, seen := stale(tasks), map[string]int{}
	for id, t := range tasks {
		seen[t.kind]++
		if remedy {
			t.preset = settings[t.kind]
			if seen[t.kind] <= warmUp {
				if err := p.observe(t.ended(id, 1, t.peak, true)); err != nil {
					return s, err
				}
				continue
			}
		}
		if err := s.run(id, t, p, remedy); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (t task) ended(id, attempt int, memory float64, ok bool) outcome {
	o := outcome{
		Kind: "outcome", ID: id, Source: "made", Workflow: "up", Run: "1", Type: t.kind, Attempt: attempt, OK: ok,
		Memory: memory, Seconds: t.second, Input: t.input, Cores: t.cores,
	}
	if ok {
		o.Peak = t.peak
	} else {
		o.Reason = "oom"
	}
	return o
}

// run plays one task to its end.
func (s *Score) run(id int, t task, p policy, remedy bool) error {
	const most = 128 * 1024 * mib
	r := request{
		Kind: "allocate", ID: id, Source: "made", Workflow: "up", Run: "1", Type: t.kind, Input: t.input, Cores: t.cores,
		Preset: t.preset, Cap: most,
	}
	s.Tasks++
	for r.Attempt = 1; r.Attempt <= 1+maxRetries; r.Attempt++ {
		d := decision{Memory: t.preset}
		if r.Attempt > 1 || !remedy {
			begin := time.Now()
			var err error
			if d, err = p.next(r); err != nil {
				return err
			}
			s.LatencySum, s.Calls = s.LatencySum+time.Since(begin).Seconds(), s.Calls+1
			if d.Action == "stop" {
				s.Never, s.WrongStop = s.Never+1, s.WrongStop+1
				return nil
			}
		}
		memory := min(max(math.Ceil(d.Memory/mib)*mib, 64*mib), most)
		ok := memory >= t.peak
		s.charge(t, r.Attempt, memory, ok)
		if err := p.observe(t.ended(id, r.Attempt, memory, ok)); err != nil {
			return err
		}
		if ok {
			return nil
		}
		r.Failed, r.Last, r.Prev = true, memory, append(r.Prev, attempt{memory, t.cores, t.second, "oom"})
	}
	s.Never++
	return nil
}

func (s *Score) charge(t task, attempt int, memory float64, ok bool) {
	hours := t.second / 3600
	dollars := hours * (memory/gb*perGBHour + t.cores*perCore)
	s.USD += dollars
	if attempt > 1 {
		s.RetryUSD, s.RetryGBh = s.RetryUSD+dollars, s.RetryGBh+hours*memory/gb
	}
	switch {
	case ok:
		s.OverGBh, s.UsedGBh = s.OverGBh+hours*(memory-t.peak)/gb, s.UsedGBh+hours*t.peak/gb
		if attempt == 2 {
			s.FirstRetry++
		}
	default:
		s.FailGBh, s.FailedAttempts = s.FailGBh+hours*memory/gb, s.FailedAttempts+1
		if attempt == 1 {
			s.FailedTasks++
		}
	}
}
