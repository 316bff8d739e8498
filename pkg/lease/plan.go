package lease

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// maxForgotten members are forgotten in one commit.
const maxForgotten = 32

// question is what a plan is made from.
type question struct {
	view        view
	replica     string
	incarnation string
	silent      func(name string) bool // was watched for TTL and did not change
	now         time.Time              // by the wall
}

// plan is what a replica does next, in one commit.
type plan struct {
	kind    string
	writes  []docstore.Write
	holders holders // after the commit
}

// next renews or joins, marks those who fell silent as dead, and moves this
// replica's part towards a fair share. It is errs.FailedPrecondition while
// another process has this replica's name, and errs.Exhausted when there are
// too many replicas: then nothing is held.
func next(kind string, q question) (plan, error) {
	p := plan{kind: kind, holders: q.view.holders}
	mine, known := q.view.members[q.replica]
	switch {
	case !known, mine.State != alive, mine.Incarnation == q.incarnation:
	case !q.silent(q.replica):
		return plan{}, errs.New(errs.FailedPrecondition,
			"replica %q is held by another process: if it is the one before this, it is waited for; if not, give each replica a name of its own", q.replica)
	}
	since := q.now
	if known && mine.State == alive && mine.Incarnation == q.incarnation {
		since = mine.Since
	}
	p.put(q.replica, mine.revision, member{Incarnation: q.incarnation, State: alive, Since: since})

	live := []string{q.replica}
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(q.view.members)) {
		m := q.view.members[name]
		switch {
		case name == q.replica:
		case m.State != alive:
			gone = append(gone, name)
		case q.silent(name):
			p.put(name, m.revision, member{Incarnation: m.Incarnation, State: dead, Since: q.now})
		default:
			live = append(live, name)
		}
	}
	if err := p.forget(q, gone, known); err != nil {
		return plan{}, err
	}
	p.share(q.replica, live)
	if p.holders != q.view.holders || q.view.revision == docstore.Absent {
		p.writes = append(p.writes, docstore.Write{Kind: kind, ID: assignmentID, Revision: q.view.revision, Value: p.holders.encode()})
	}
	return p, nil
}

func (p *plan) put(name string, revision int64, m member) {
	p.writes = append(p.writes, docstore.Write{Kind: p.kind, ID: memberPrefix + name, Revision: revision, Value: m.encode()})
}

// forget deletes those who are gone for long, and makes room for a newcomer.
func (p *plan) forget(q question, gone []string, known bool) error {
	slices.SortFunc(gone, func(a, b string) int {
		return cmp.Or(q.view.members[a].Since.Compare(q.view.members[b].Since), cmp.Compare(a, b))
	})
	excess := len(q.view.members) - MaxReplicas
	if !known {
		excess++
	}
	if excess > len(gone) {
		return errs.New(errs.Exhausted, "%d replicas are alive, the most that can be: replica %q holds nothing", MaxReplicas, q.replica)
	}
	for i, name := range gone {
		m := q.view.members[name]
		if i >= maxForgotten || i >= excess && q.now.Sub(m.Since) < Remembered {
			return nil
		}
		p.writes = append(p.writes, docstore.Write{Kind: p.kind, ID: memberPrefix + name, Revision: m.revision})
	}
	return nil
}

// share frees the shards of those who do not live, and takes or gives up shards
// until the replica has its share. The shares of two replicas differ by one at
// most; those who hold most have the larger ones, so that little moves.
func (p *plan) share(replica string, live []string) {
	count := make(map[string]int, len(live))
	for _, name := range live {
		count[name] = 0
	}
	for s, name := range p.holders {
		if _, lives := count[name]; lives {
			count[name]++
		} else {
			p.holders[s] = ""
		}
	}
	slices.SortFunc(live, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	quota := Shards / len(live)
	if slices.Index(live, replica) < Shards%len(live) {
		quota++
	}
	for s := Shards - 1; s >= 0 && count[replica] > quota; s-- {
		if p.holders[s] == replica {
			p.holders[s] = ""
			count[replica]--
		}
	}
	for s := 0; s < Shards && count[replica] < quota; s++ {
		if p.holders[s] == "" {
			p.holders[s] = replica
			count[replica]++
		}
	}
}
