package lease

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// tries bounds how often a race is lost and run again before there is a pause.
const tries = 3

// pauses are the times between steps.
type pauses struct {
	renew  time.Duration
	failed int
}

// after returns how long to wait after a step that ended with err. The first
// tries after a failure come soon: a renewal is at stake.
func (p *pauses) after(err error) time.Duration {
	pause := p.renew
	if err == nil {
		p.failed = 0
	} else {
		p.failed = min(p.failed+1, 4)
		pause = p.renew / 16 << p.failed
	}
	return pause - rand.N(pause/10+1) // so that replicas do not meet every time
}

// step renews once. What is held is believed before and after by the clock
// alone, so an error needs no answer.
func (l *Leases) step(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.ttl/3)
	defer cancel()
	err := l.race(ctx, l.try)
	l.metrics.count(err)
	l.announce()
	return err
}

// race runs try again when it lost a race.
func (l *Leases) race(ctx context.Context, try func(context.Context) error) error {
	var err error
	for range tries {
		if err = try(ctx); !errs.Is(err, errs.Conflict) {
			return err
		}
	}
	return err
}

func (l *Leases) try(ctx context.Context) error {
	v, err := l.look(ctx)
	if err != nil {
		return err
	}
	if own := v.members[l.replica]; own.State != alive || own.Incarnation != l.incarnation {
		l.keepOnly(holders{})
	}
	l.keepOnly(v.holders)
	p, err := next(l.kind, question{view: v, replica: l.replica, incarnation: l.incarnation, silent: l.silent, now: l.now().UTC().Round(0)})
	if err != nil {
		l.keepOnly(holders{})
		return err
	}
	// What is given up is given up before others can read that it is.
	l.keepOnly(p.holders)
	began := l.now()
	if err := l.store.Commit(ctx, p.writes...); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = began
	for s, name := range p.holders {
		l.held[s] = name == l.replica
	}
	l.countShards(p.holders)
	return nil
}

// look reads all documents and notes what it sees.
func (l *Leases) look(ctx context.Context) (view, error) {
	// What is read first is noted first.
	l.looking.Lock()
	defer l.looking.Unlock()
	page, err := l.store.List(ctx, docstore.Query{Kind: l.kind, Limit: 2 * MaxReplicas})
	if err != nil {
		return view{}, fmt.Errorf("read leases: %w", err)
	}
	// A revision may be written any moment before it is read: what is counted
	// from here is counted from later than its writer does.
	now := l.now()
	v, err := decodeView(page.Docs)
	if err != nil {
		return view{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// After a pause of this process, or an outage that kept the others from
	// renewing too, everybody gets another TTL.
	gap := l.looked.IsZero() || elapsed(l.looked, now) > l.ttl*3/4
	l.looked = now
	for name := range l.known {
		if _, there := v.members[name]; !there {
			delete(l.known, name)
		}
	}
	for name, m := range v.members {
		s := l.known[name]
		switch {
		case s == nil:
			l.known[name] = &sighting{seen: now, watched: now}
			s = l.known[name]
		case m.State == dead && m.Incarnation == s.member.Incarnation:
			// Another one's mark is no sign of life.
		case m.revision != s.revision, m.Incarnation != s.member.Incarnation, m.State != s.member.State:
			s.seen, s.watched = now, now
		case gap:
			s.watched = now
		}
		s.revision, s.member = m.revision, m.member
	}
	l.countShards(v.holders)
	return v, nil
}

// countShards notes how many shards each member holds. The caller holds mu.
func (l *Leases) countShards(h holders) {
	count := map[string]int{}
	for _, name := range h {
		count[name]++
	}
	for name, s := range l.known {
		s.shards = count[name]
	}
}

// silent reports whether a member was watched for TTL and did not renew.
func (l *Leases) silent(name string) bool {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.known[name]
	return s != nil && now.Sub(s.watched) >= l.ttl
}

// keepOnly stops believing in every shard that h does not give this replica.
func (l *Leases) keepOnly(h holders) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, name := range h {
		l.held[s] = l.held[s] && name == l.replica
	}
}

// leave gives up everything, so that the others need not wait for TTL.
func (l *Leases) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.ttl/4)
	defer cancel()
	l.keepOnly(holders{})
	l.announce()
	err := l.race(ctx, func(ctx context.Context) error {
		v, err := l.look(ctx)
		if err != nil {
			return err
		}
		own := v.members[l.replica]
		if own.State != alive || own.Incarnation != l.incarnation {
			return nil
		}
		p := plan{kind: l.kind}
		p.put(l.replica, own.revision, member{Incarnation: l.incarnation, State: stopped, Since: l.now().UTC().Round(0)})
		for s, name := range v.holders {
			if name != l.replica {
				p.holders[s] = name
			}
		}
		if p.holders != v.holders {
			p.writes = append(p.writes, docstore.Write{Kind: l.kind, ID: assignmentID, Revision: v.revision, Value: p.holders.encode()})
		}
		return l.store.Commit(ctx, p.writes...)
	})
	if err != nil {
		l.log.Warn("cannot give up the shards; they are free after the lease has run out", "error", err)
	}
}
