package store

import (
	"context"
	"sync"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

const (
	// mostRaces is how many lost races with other replicas are tried again at once.
	mostRaces = 5
	// mostLessons are learnt in one commit: a history and a record each, at most.
	mostLessons = docstore.MaxWrites / 2
)

// lesson is what one event says of an attempt.
type lesson struct {
	record record.Record
	now    time.Time
	err    error // of learning it, once its class is over
}

// class is a number of lessons that are learnt together. A history is read and
// written as a whole, so what many lessons cost is little more than what one
// does.
type class struct {
	lessons []*lesson
	full    chan struct{} // closed when no more can join
	over    chan struct{} // closed when all is learnt, or not
}

// classes gathers lessons. Whoever comes first leads the class: waits for a
// moment for others to join, and then learns for all of them.
type classes struct {
	moment time.Duration
	mu     sync.Mutex
	open   *class     // the one to join; nil when there is none
	turn   sync.Mutex // classes of one process do not race each other
}

// Learn adds what one event says of an attempt to the history of its job type,
// and puts its record, in one commit; the same event again changes nothing. It
// is errs.Conflict after too many lost races.
func (s *Histories) Learn(ctx context.Context, r record.Record, now time.Time) error {
	mine := &lesson{record: r, now: now}
	c, leads := s.classes.join(mine)
	if leads {
		s.lead(ctx, c)
		return mine.err
	}
	select {
	case <-c.over:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join adds a lesson to the open class, or opens one.
func (cs *classes) join(l *lesson) (c *class, leads bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.open == nil {
		cs.open, leads = &class{full: make(chan struct{}), over: make(chan struct{})}, true
	}
	c = cs.open
	c.lessons = append(c.lessons, l)
	if len(c.lessons) == mostLessons {
		cs.open = nil
		close(c.full)
	}
	return c, leads
}

// lead waits until the class begins, and learns. When ctx ends, nobody has
// learnt anything, and the events come again.
func (s *Histories) lead(ctx context.Context, c *class) {
	defer close(c.over)
	timer := time.NewTimer(s.classes.moment)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.full:
	case <-ctx.Done():
	}
	s.classes.turn.Lock()
	defer s.classes.turn.Unlock()
	s.classes.mu.Lock()
	if s.classes.open == c {
		s.classes.open = nil
	}
	s.classes.mu.Unlock()
	byType := map[failure.Type][]*lesson{}
	for _, l := range c.lessons {
		byType[l.record.Type] = append(byType[l.record.Type], l)
	}
	err := s.learn(ctx, byType)
	if err == nil || errs.Is(err, errs.Unavailable) || len(byType) == 1 && !errs.Is(err, errs.Conflict) {
		tell(c.lessons, err)
		return
	}
	// One history that another replica writes too, or that cannot be read, must
	// not keep the others from being learnt.
	for t, lessons := range byType {
		tell(lessons, s.learnOne(ctx, t, lessons))
	}
}

func tell(lessons []*lesson, err error) {
	for _, l := range lessons {
		l.err = err
	}
}

// learnOne learns what is about one job type.
func (s *Histories) learnOne(ctx context.Context, t failure.Type, lessons []*lesson) error {
	for races := 0; ; races++ {
		err := s.learn(ctx, map[failure.Type][]*lesson{t: lessons})
		if !errs.Is(err, errs.Conflict) || races == mostRaces {
			return err
		}
	}
}

// learn puts what is new in lessons, in one commit.
func (s *Histories) learn(ctx context.Context, byType map[failure.Type][]*lesson) error {
	var all []record.Record
	for _, lessons := range byType {
		for _, l := range lessons {
			all = append(all, l.record)
		}
	}
	writes, err := s.records.writes(ctx, all)
	if err != nil {
		return err
	}
	for t, lessons := range byType {
		before, err := s.read(ctx, t)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		after := before.with(t, lessons)
		if after.Same(before.History) {
			continue
		}
		write, err := s.documents.Write(t.Key(), before.revision, after)
		if err != nil {
			return err
		}
		s.cache.put(write.ID, write.Value, after.History)
		writes = append(writes, write)
	}
	if len(writes) == 0 {
		return nil
	}
	return s.store.Commit(ctx, writes...)
}

// with returns the history of a type with what lessons teach.
func (h stored) with(t failure.Type, lessons []*lesson) stored {
	attempts := make([]history.Attempt, len(lessons))
	updated := h.Updated
	for i, l := range lessons {
		attempts[i] = l.record.Attempt
		if l.now.After(updated) {
			updated = l.now
		}
	}
	h.Type, h.Updated = t, updated
	h.History = h.Learn(attempts...)
	return h
}
