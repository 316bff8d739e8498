package store

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

const (
	// mostRaces is how many lost races with other replicas are run again here, and
	// racePause the longest pause before the first.
	mostRaces = 10
	racePause = 2 * time.Millisecond
	// mostLessons are learnt in one commit.
	mostLessons = 256
)

// class is where the lessons of some job types wait. All lessons of a job type
// change the same document: they take turns, and whoever has the turn learns
// what waits meanwhile in the same commit.
type class struct {
	turn sync.Mutex

	mu      sync.Mutex
	waiting []*lesson
}

// lesson is what one event says of an attempt.
type lesson struct {
	key     string
	kind    failure.Type
	attempt history.Attempt
	now     time.Time
	learnt  bool // read and set by who has the turn
}

// Learn adds what one event says of an attempt. key names the event: the same
// key again changes nothing. It is errs.Conflict after too many lost races.
func (s *Histories) Learn(ctx context.Context, key string, t failure.Type, a history.Attempt, now time.Time) error {
	c := &s.classes[maphash.String(s.seed, t.Key())%uint64(len(s.classes))]
	mine := &lesson{key: key, kind: t, attempt: a, now: now}
	c.add(mine)
	c.turn.Lock()
	defer c.turn.Unlock()
	if mine.learnt {
		return nil
	}
	lessons := c.take(mine)
	for races := 0; ; races++ {
		err := s.learn(ctx, lessons)
		switch {
		case err == nil:
			for _, l := range lessons {
				l.learnt = true
			}
			return nil
		case !errs.Is(err, errs.Conflict) || races == mostRaces:
			c.add(lessons[1:]...) // each has its own turn, and its own error
			return err
		}
		if err := stepAside(ctx, races); err != nil {
			c.add(lessons[1:]...)
			return err
		}
	}
}

// stepAside waits for a moment that differs from racer to racer, and is longer
// with every race that was lost.
func stepAside(ctx context.Context, races int) error {
	timer := time.NewTimer(rand.N(racePause * time.Duration(races+1)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (c *class) add(lessons ...*lesson) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, lessons...)
}

// take removes mine and others of the same job type; mine is the first of them.
func (c *class) take(mine *lesson) []*lesson {
	c.mu.Lock()
	defer c.mu.Unlock()
	lessons := []*lesson{mine}
	c.waiting = slices.DeleteFunc(c.waiting, func(l *lesson) bool {
		if l == mine {
			return true
		}
		with := l.kind == mine.kind && len(lessons) < mostLessons
		if with {
			lessons = append(lessons, l)
		}
		return with
	})
	return lessons
}

// learn puts lessons about one job type, those that are new, in one commit.
func (s *Histories) learn(ctx context.Context, lessons []*lesson) error {
	t := lessons[0].kind
	before, err := s.documents.Get(ctx, t.Key())
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	after := stored{History: before.History}
	after.Type = t
	var writes []docstore.Write
	keys := map[string]bool{}
	for _, l := range lessons {
		seen, err := s.inbox.Seen(ctx, l.key)
		if err != nil {
			return err
		}
		if seen || keys[l.key] {
			continue
		}
		keys[l.key] = true
		after.History = after.Learn(l.attempt)
		if l.now.After(after.Updated) {
			after.Updated = l.now
		}
		writes = append(writes, s.inbox.Write(l.key, l.now))
	}
	if len(writes) == 0 {
		return nil
	}
	write, err := s.documents.Write(t.Key(), before.revision, after)
	if err != nil {
		return err
	}
	return s.store.Commit(ctx, append(writes, write)...)
}
