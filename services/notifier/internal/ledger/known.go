package ledger

import (
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/recent"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/store"
)

// known is what is known of a job, at the revisions in it.
type known struct {
	store.History
	alerts []alert.Alert // of its episodes, as far as they were read
	// complete says that a job without a history has no alerts either. It is a
	// guess: a history is deleted after the alerts.
	complete bool
}

// alert returns the alert of an episode; the zero one when there is none. ok is
// false when that is not known.
func (k known) alert(after alert.Point) (a alert.Alert, ok bool) {
	i := slices.IndexFunc(k.alerts, func(a alert.Alert) bool { return a.After == after })
	if i >= 0 {
		return k.alerts[i], true
	}
	return alert.Alert{}, k.complete && k.Revision == 0
}

// Bounds of what is remembered.
const (
	mostJobs     = 512
	mostFailures = 8 // of one job; they have long texts
	// rememberFor is far less than a history is kept without a change, so that
	// none that is remembered was deleted and begun anew.
	rememberFor = 24 * time.Hour
)

// memory remembers the jobs with open alerts that changed last: of these there
// is probably more to hear. What it says may be out of date. It is good to try a
// commit with, which asks for the revisions; nothing else may follow from it.
type memory struct{ *recent.Values[known] }

func newMemory() memory { return memory{recent.New[known](mostJobs)} }

func (m memory) of(job string, now time.Time) (known, bool) {
	k, ok := m.Get(job)
	return k, ok && now.Sub(k.Facts.Updated) < rememberFor
}

// committed remembers what a change made of a job.
func (m memory) committed(c store.Change) {
	k := known{History: *c.History}
	if len(k.Facts.Open) == 0 || len(k.Facts.Failures) > mostFailures {
		m.Drop(k.Facts.Job)
		return
	}
	k.Revision++
	for _, a := range c.Alerts {
		if a.State != alert.Resolved {
			a.Revision++
			k.alerts = append(k.alerts, a)
		}
	}
	m.Put(k.Facts.Job, k)
}
