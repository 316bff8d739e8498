//go:build cluster

package cluster

import (
	"context"
	"fmt"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// checkAlerts looks for jobs that failed without their one alert, and for
// alerts that do not say how their job ended.
func (c *checker) checkAlerts(context.Context) error {
	for _, want := range c.l.jobs {
		got := c.alerts[want.name()]
		failures, state := 0, redrivev1.Alert_STATE_RESOLVED
		for _, a := range c.jobs[want.name()].GetAttempts() {
			if decidable(a) {
				failures++
			}
		}
		if want.end == redrivev1.Job_STATE_FAILED {
			state = redrivev1.Alert_STATE_FIRING
		}
		switch {
		case failures == 0 && len(got) == 0:
		case failures > 0 && len(got) == 1 && got[0].GetState() == state && int(got[0].GetFailures()) == failures:
		default:
			c.wrong("alert", "%s %+v failed %d times and has %v", want.name(), *want, failures, got)
		}
	}
	return nil
}

// checkNotifications waits until the receiver was told of every alert that
// stands, and of the end of every one that it was told of; each thing once, and
// the end last. A notifier that is killed may tell again, by the same key.
func (c *checker) checkNotifications(ctx context.Context) error {
	h := c.d.hook
	err := until(ctx, "not all alerts were told", func(context.Context) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, alerts := range c.alerts {
			for _, a := range alerts {
				told := h.told[a.GetName()]
				stands := a.GetState() != redrivev1.Alert_STATE_RESOLVED
				if stands && len(told) == 0 || !stands && len(told) > 0 && told[len(told)-1].Action != resolved {
					return fmt.Errorf("of %v was told %+v", a, told)
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	sent := 0
	for name, told := range h.told {
		sent += len(told)
		for i, n := range told {
			if n.Action == resolved && (i == 0 || i < len(told)-1) {
				c.wrong("notification", "of %s was told in this order: %+v", name, told)
			}
		}
	}
	c.d.t.Logf("%d notifications were sent, %d of them once more", sent, len(h.repeated))
	return nil
}

// resolved is the action of a notification that an alert has ended.
const resolved = "resolve"
