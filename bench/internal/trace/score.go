// Package trace plays traces of real or made-up tasks against policies that give
// tasks their memory, or jobs their cluster, and says how each did. The traces
// of real tasks are played by the program of the folder REPLAY (see the
// Makefile), which is not part of this tree; made-up ones by this package, over
// the same protocol.
package trace

// Score is how a policy did on tasks. Its members are named as that program
// writes them; GB is 10⁹ bytes.
type Score struct {
	Tasks, FailedTasks, FailedAttempts int
	FirstRetry                         int // failed tasks whose second attempt succeeded
	Never, WrongStop                   int // tasks that could succeed and did not, or were stopped
	Infeasible, InfStopped             int // tasks that need more than there is
	HopelessRuns                       int // retries of those
	OverGBh, FailGBh, UsedGBh          float64
	USD, RetryUSD, RetryGBh            float64
	LatencySum                         float64 // seconds
	Calls                              int
}

// Waste is what was allocated and not used, in GB·h.
func (s Score) Waste() float64 { return s.OverGBh + s.FailGBh }

// Fixed is the share of failed tasks that the first retry brought to success.
func (s Score) Fixed() float64 { return share(s.FirstRetry, s.FailedTasks) }

// Call is how long a call took, in seconds.
func (s Score) Call() float64 { return s.LatencySum / float64(max(s.Calls, 1)) }

// ConfigScore is how a policy did on clusters.
type ConfigScore struct {
	Episodes, First, Done, Never, Tries int
	USD, OracleUSD                      float64
	Seconds                             float64 // of the retries
}

// Fixed is the share of failed jobs that the first retry brought to success.
func (s ConfigScore) Fixed() float64 { return share(s.First, s.Episodes) }

// OverOracle is what the retries cost in parts of the least that they could.
func (s ConfigScore) OverOracle() float64 { return s.USD / s.OracleUSD }

func share(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

// Result is what came of one policy.
type Result struct {
	Policy string
	Total  Score
	By     map[string]Score // by source and workflow
}

// ConfigResult is what came of one policy on clusters.
type ConfigResult struct {
	Policy string
	Total  ConfigScore
	By     map[string]ConfigScore // by workload
}
