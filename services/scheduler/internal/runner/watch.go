package runner

import (
	"sync"

	"github.com/redrive-io/redrive/pkg/errs"
)

// maxWatches bounds how many callers wait for changes of jobs.
const maxWatches = 10_000

// watches are those who wait for changes of a job in this process.
type watches struct {
	mu    sync.Mutex
	count int
	byJob map[string]map[chan struct{}]bool
}

// Watch returns a channel that gets a value after every change of the job, and
// now and then without one, and the call that ends it. Changes that come faster than they are read are one
// value: read the job again. It is errs.Exhausted when too many wait already.
func (r *Runner) Watch(jobID string) (changes <-chan struct{}, end func(), err error) {
	w := &r.watches
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count == maxWatches {
		return nil, nil, errs.New(errs.Exhausted, "%d callers watch jobs already", maxWatches)
	}
	c := make(chan struct{}, 1)
	if w.byJob == nil {
		w.byJob = map[string]map[chan struct{}]bool{}
	}
	if w.byJob[jobID] == nil {
		w.byJob[jobID] = map[chan struct{}]bool{}
	}
	w.byJob[jobID][c] = true
	w.count++
	return c, sync.OnceFunc(func() { w.remove(jobID, c) }), nil
}

func (w *watches) remove(jobID string, c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count--
	delete(w.byJob[jobID], c)
	if len(w.byJob[jobID]) == 0 {
		delete(w.byJob, jobID)
	}
}

func (w *watches) tell(jobID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	nudge(w.byJob[jobID])
}

func (w *watches) tellAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, all := range w.byJob {
		nudge(all)
	}
}

func nudge(all map[chan struct{}]bool) {
	for c := range all {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
