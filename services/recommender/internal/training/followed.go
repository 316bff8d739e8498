package training

import (
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

// lost is what is remembered of a failure until its retry is told.
type lost struct {
	// brief has the members that Again, RanOut and the keys of retries need.
	brief record.Record
	// repeats says that the attempt before it failed alike.
	repeats bool
	// What was predicted of its retry; raw is 0 where nothing was.
	raw    float64
	part   engine.Part
	chosen int64 // bytes
}

func lose(r record.Record, repeats bool) *lost {
	l := &lost{repeats: repeats}
	l.brief.ID, l.brief.Outcome, l.brief.Class, l.brief.Fingerprint = r.ID, r.Outcome, r.Class, r.Fingerprint
	l.brief.Killed, l.brief.Seconds, l.brief.Exit, l.brief.Owner = r.Killed, r.Seconds, r.Exit, r.Owner
	if f := r.Features; f != nil && (r.Recommended == record.Change || r.Recommended == record.Keep) {
		l.raw, l.part, l.chosen = f.Raw, f.Part, f.Chosen
	}
	return l
}

// followed remembers the failures that were put last.
type followed struct {
	byID map[string]*lost
	ring []string // ids, the oldest at next once it is full
	next int
	most int
}

func newFollowed(most int) followed { return followed{byID: map[string]*lost{}, most: most} }

func (f *followed) get(id string) (*lost, bool) {
	l, ok := f.byID[id]
	return l, ok
}

func (f *followed) put(l *lost) {
	id := l.brief.ID
	if _, ok := f.byID[id]; ok {
		return
	}
	f.byID[id] = l
	if len(f.ring) < f.most {
		f.ring = append(f.ring, id)
		return
	}
	delete(f.byID, f.ring[f.next])
	f.ring[f.next] = id
	f.next = (f.next + 1) % f.most
}
