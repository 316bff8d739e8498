package bus

import "sync"

// progress remembers where an ephemeral consumer stands, so that one that was
// lost with its connection goes on where it was: at the first event that is not
// settled.
type progress struct {
	mu      sync.Mutex
	started bool   // resume was called
	next    uint64 // the sequence behind the last one seen
	pending map[uint64]bool
}

// resume returns the sequence to go on from. end is the one behind the stream's
// last: where the first start is, and every start in a stream that was made
// anew and counts from 1 again.
func (p *progress) resume(end uint64) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started || p.next > end {
		p.started, p.next, p.pending = true, end, map[uint64]bool{}
	}
	first := p.next
	for sequence := range p.pending {
		first = min(first, sequence)
	}
	return first
}

// open notes that the event with that sequence came.
func (p *progress) open(sequence uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started {
		return // a durable consumer: the server remembers
	}
	p.pending[sequence] = true
	p.next = max(p.next, sequence+1)
}

// close notes that it is settled.
func (p *progress) close(sequence uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, sequence)
}
