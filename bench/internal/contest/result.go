// Package contest measures contestants in turns and compares them.
package contest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Result is what one contestant did in one round, as it prints it in JSON.
type Result struct {
	Cycles  int64   `json:"cycles"`  // that ended within the time
	Seconds float64 `json:"seconds"` // that were measured
	CPU     float64 `json:"cpu"`     // seconds of all processes that took part
	Waits   []int64 `json:"waits"`   // microseconds from a failure to the next start
}

// Parse reads what a contestant printed.
func Parse(out []byte) (Result, error) {
	var r Result
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("%.200q is no result: %w", out, err)
	}
	if r.Cycles <= 0 || r.Seconds <= 0 {
		return r, fmt.Errorf("%d cycles in %g s are nothing to compare", r.Cycles, r.Seconds)
	}
	slices.Sort(r.Waits)
	return r, nil
}

// Rate is the number of cycles in a second.
func (r Result) Rate() float64 { return float64(r.Cycles) / r.Seconds }

// CPUPerCycle is the CPU time that a cycle took.
func (r Result) CPUPerCycle() time.Duration {
	return time.Duration(r.CPU / float64(r.Cycles) * float64(time.Second))
}

// Wait is the time from a failure to the next start that this part of all stay
// below; 0 when there are none.
func (r Result) Wait(part float64) time.Duration {
	if len(r.Waits) == 0 {
		return 0
	}
	i := min(int(part*float64(len(r.Waits))), len(r.Waits)-1)
	return time.Duration(r.Waits[i]) * time.Microsecond
}
