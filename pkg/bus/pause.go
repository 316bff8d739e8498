package bus

import (
	"context"
	"sync"
	"time"
)

const (
	pauseLeast = time.Second
	pauseMost  = 30 * time.Second
)

// pause holds a consumer back while what it depends on is away. Each outage
// begins with one second and doubles with every try that fails, up to 30.
type pause struct {
	mu     sync.Mutex
	length time.Duration // of the last pause; 0 while all is well
	until  time.Time
}

// grow notes that a try which began at a time met an outage, and returns how
// long from now the pause lasts. Tries that were under way when the pause
// began say nothing new. atLeast is what the one who is away asked for.
func (p *pause) grow(began, now time.Time, atLeast time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.length == 0 || began.After(p.until) {
		p.length = min(max(2*p.length, pauseLeast), pauseMost)
		p.until = now.Add(p.length)
	}
	if asked := now.Add(min(atLeast, pauseMost)); asked.After(p.until) {
		p.until = asked
	}
	return max(p.until.Sub(now), pauseLeast/10)
}

// end notes that a try which began at a time met no outage.
func (p *pause) end(began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if began.After(p.until) {
		p.length = 0
	}
}

// left is how long the pause still lasts; 0 when there is none.
func (p *pause) left(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.until.Sub(now), 0)
}

// wait waits until the pause is over. It reports false when ctx ends first.
func (p *pause) wait(ctx context.Context) bool {
	for {
		left := p.left(time.Now())
		if left == 0 {
			return ctx.Err() == nil
		}
		if !sleep(ctx, left) {
			return false
		}
	}
}

// sleep reports false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
