package store

import (
	"sync"

	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

// Bounds of what is remembered.
const (
	maxRecent      = 512      // jobs
	maxRecentBytes = 64 << 10 // of one job, as it is stored
)

// recent remembers the jobs of other schedulers that were put last: such a job's
// decision comes soon after the report of its failure. An own job's steps are
// further apart, as its attempts run between them.
type recent struct {
	mu   sync.Mutex
	jobs map[string]job.Job
	ids  [maxRecent]string // of the jobs, and of some that are forgotten
	next int               // the oldest of ids
}

// put remembers a job that has this size.
func (r *recent) put(j job.Job, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j.Own() || size > maxRecentBytes {
		delete(r.jobs, j.ID)
		return
	}
	known, ok := r.jobs[j.ID]
	if ok && known.Revision > j.Revision {
		return // puts that follow each other may come here in any order
	}
	if r.jobs == nil {
		r.jobs = map[string]job.Job{}
	}
	r.jobs[j.ID] = j
	if !ok {
		delete(r.jobs, r.ids[r.next])
		r.ids[r.next] = j.ID
		r.next = (r.next + 1) % maxRecent
	}
}

func (r *recent) get(id string) (j job.Job, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j, ok = r.jobs[id]
	return j, ok
}

func (r *recent) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.jobs, id)
}
