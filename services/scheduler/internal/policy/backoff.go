package policy

import (
	"math"
	"math/rand/v2"
	"time"
)

// Backoff is an exponential backoff: Delay(n) = min(Cap, Base·Factor^(n−1)).
type Backoff struct {
	Base   time.Duration
	Factor float64 // below 1 counts as 1
	Cap    time.Duration
}

// Delay returns the longest delay before retry n, counted from 1. It never
// falls with n and never exceeds Cap.
func (b Backoff) Delay(n int) time.Duration {
	d := float64(b.Base) * math.Pow(max(b.Factor, 1), float64(max(n, 1)-1))
	if d >= float64(b.Cap) { // also for +Inf
		return b.Cap
	}
	return time.Duration(d)
}

// jitter spreads a delay evenly over [0, d] ("full jitter", as in the AWS
// Architecture Blog's Exponential Backoff And Jitter, 2015). The same seed
// gives the same delay.
func jitter(seed uint64, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(rand.New(rand.NewPCG(seed, 0)).Int64N(int64(d) + 1))
}
