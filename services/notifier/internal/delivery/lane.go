// Package delivery decides which notification goes to a receiver next, and when
// it is tried again or given up. It is pure.
package delivery

import (
	"slices"
	"time"

	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

// Lane is what one receiver is told of one alert, in order: a notification is
// not sent before the one ahead of it is delivered or given up.
type Lane struct {
	Alert    string // the alert's id
	Receiver string
	Items    []Item // oldest first; an alert has few, see alert.Notice
	Revision int64  // of the stored lane; 0 for one that is not stored
}

// State is how far a notification is.
type State int

// The states, as in proto/redrive/v1/notifier.proto.
const (
	StateUnset State = iota
	Pending
	Delivered
	Failed
)

// Item is one notification in a lane.
type Item struct {
	// Notification is what is sent. The alert in it is forgotten once the item
	// is settled.
	Notification alert.Notification
	State        State
	Tries        int
	Error        string    // of the last try
	Due          time.Time // of the next try; zero when settled
	Updated      time.Time
}

// Append adds a notification at the end. One that is there already is not added
// again.
func (l Lane) Append(n alert.Notification, now time.Time) Lane {
	if slices.ContainsFunc(l.Items, func(x Item) bool { return x.Notification.Key == n.Key }) {
		return l
	}
	l.Items = append(slices.Clone(l.Items), Item{Notification: n, State: Pending, Due: now, Updated: now})
	return l
}

// Told returns how loudly the receiver was told of the alert, or will be by
// what is in the lane.
func (l Lane) Told() alert.Severity {
	worst := alert.None
	for _, x := range l.Items {
		if x.Notification.Action == alert.Trigger {
			worst = max(worst, x.Notification.Severity)
		}
	}
	return worst
}

// Head returns the notification that is sent next; ok is false when all are
// settled.
func (l Lane) Head() (x Item, ok bool) {
	i := l.head()
	if i < 0 {
		return Item{}, false
	}
	return l.Items[i], true
}

func (l Lane) head() int {
	return slices.IndexFunc(l.Items, func(x Item) bool { return x.State == Pending })
}

// Claim books a try of the head. Nobody else tries it before the lease is over:
// a sender that died in between is taken over then.
func (l Lane) Claim(now time.Time, lease time.Duration) (Lane, alert.Notification) {
	i := l.head()
	if i < 0 {
		return l, alert.Notification{}
	}
	l.Items = slices.Clone(l.Items)
	x := &l.Items[i]
	x.Tries++
	x.Due, x.Updated = now.Add(lease), now
	return l, x.Notification
}

// Outcome is what came of one try.
type Outcome struct {
	Err error // nil when it was delivered
	// Retry reports whether the same may succeed later.
	Retry bool
	// After is how long the receiver asked to wait; 0 when it did not.
	After time.Duration
	// Interrupted is true when this process stopped before the end of the try,
	// which then does not count.
	Interrupted bool
}

// Backoff says when a notification is tried again and when it is given up.
type Backoff struct {
	Min, Max time.Duration
	For      time.Duration // from the notification on
}

// maxError bounds Item.Error, in bytes.
const maxError = 500

// Reasons for giving up, as in the metric.
const (
	Rejected = "rejected" // the receiver does not want it
	Expired  = "expired"  // it could not be told in time
	Unknown  = "unknown_receiver"
)

// Settle books the outcome of a try of the notification with this key. random
// is from [0, 1). It returns why the notification was given up, or nothing.
func (l Lane) Settle(key string, o Outcome, b Backoff, now time.Time, random float64) (next Lane, givenUp string) {
	i := slices.IndexFunc(l.Items, func(x Item) bool { return x.Notification.Key == key && x.State == Pending })
	if i < 0 {
		return l, ""
	}
	l.Items = slices.Clone(l.Items)
	x := &l.Items[i]
	x.Updated, x.Error = now, ""
	if o.Err != nil {
		x.Error = alert.Cut(o.Err.Error(), maxError)
	}
	end := x.Notification.Time.Add(b.For)
	switch {
	case o.Interrupted:
		x.Tries--
		x.Due = now
	case o.Err == nil:
		x.settle(Delivered)
		l.after(i, now)
	case !o.Retry:
		givenUp = Rejected
	case !now.Before(end):
		givenUp = Expired
	default:
		x.Due = now.Add(max(b.delay(x.Tries, random), o.After))
		if x.Due.After(end) {
			x.Due = end
		}
	}
	if givenUp != "" {
		x.settle(Failed)
		l.after(i, now)
	}
	return l, givenUp
}

// Abandon gives up all that is pending, because there is no such receiver any
// more.
func (l Lane) Abandon(reason string, now time.Time) (next Lane, count int) {
	l.Items = slices.Clone(l.Items)
	for i := range l.Items {
		if x := &l.Items[i]; x.State == Pending {
			x.settle(Failed)
			x.Error, x.Updated = reason, now
			count++
		}
	}
	return l, count
}

func (x *Item) settle(s State) {
	x.State, x.Due = s, time.Time{}
	n := x.Notification
	x.Notification = alert.Notification{Key: n.Key, Action: n.Action, Severity: n.Severity, Before: n.Before, Time: n.Time}
}

// after makes what follows a settled notification due at once.
func (l Lane) after(settled int, now time.Time) {
	for i := settled + 1; i < len(l.Items); i++ {
		if l.Items[i].State == Pending {
			l.Items[i].Due = now
			return
		}
	}
}

// delay doubles from Min to Max with the number of tries; half of it is random.
func (b Backoff) delay(tries int, random float64) time.Duration {
	d := b.Min
	for range tries - 1 {
		if d *= 2; d >= b.Max {
			d = b.Max
			break
		}
	}
	d = min(max(d, b.Min), b.Max)
	return d/2 + time.Duration(random*float64(d/2))
}
