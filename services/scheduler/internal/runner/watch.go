package runner

import (
	"sync"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// maxWatches bounds how many callers wait for changes of jobs.
const maxWatches = 10_000

// Change is what is known of the change of a job.
type Change struct {
	Revision int64            // of the job; 0 when it is not known whether it changed
	Decision *policy.Decision // that was made; nil for none
}

// watches are those who wait for changes of a job in this process.
type watches struct {
	mu    sync.Mutex
	count int
	byJob map[string]map[chan Change]bool
}

// Watch returns a channel that gets a value after every change of the job, and
// now and then without one, and the call that ends it. Of changes that come
// faster than they are read there is the last. It is errs.Exhausted when too
// many wait already; then end does nothing.
func (r *Runner) Watch(jobID string) (changes <-chan Change, end func(), err error) {
	w := &r.watches
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count == maxWatches {
		return nil, func() {}, errs.New(errs.Exhausted, "%d callers watch jobs already", maxWatches)
	}
	c := make(chan Change, 1)
	if w.byJob == nil {
		w.byJob = map[string]map[chan Change]bool{}
	}
	if w.byJob[jobID] == nil {
		w.byJob[jobID] = map[chan Change]bool{}
	}
	w.byJob[jobID][c] = true
	w.count++
	return c, sync.OnceFunc(func() { w.remove(jobID, c) }), nil
}

func (w *watches) remove(jobID string, c chan Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count--
	delete(w.byJob[jobID], c)
	if len(w.byJob[jobID]) == 0 {
		delete(w.byJob, jobID)
	}
}

func (w *watches) tell(jobID string, c Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tell(w.byJob[jobID], c)
}

func (w *watches) tellAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, all := range w.byJob {
		tell(all, Change{})
	}
}

// tell puts a change in the place of one that was not read. Only one call tells
// a channel at a time.
func tell(all map[chan Change]bool, change Change) {
	for c := range all {
		select {
		case <-c:
		default:
		}
		c <- change
	}
}
