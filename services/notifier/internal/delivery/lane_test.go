package delivery_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
)

var (
	began   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	backoff = delivery.Backoff{Min: time.Second, Max: time.Minute, For: 24 * time.Hour}
	down    = delivery.Outcome{Err: errors.New("connection refused"), Retry: true}
)

func notification(key string, action alert.Action, s alert.Severity) alert.Notification {
	return alert.Notification{Key: key, Action: action, Severity: s, Alert: alert.Alert{ID: "a"}, Time: began}
}

func lane() delivery.Lane {
	l := delivery.Lane{Alert: "a", Receiver: "chat"}
	l = l.Append(notification("t", alert.Trigger, alert.Warning), began)
	return l.Append(notification("r", alert.Resolve, alert.Warning), began)
}

func headKey(l delivery.Lane) string {
	head, ok := l.Head()
	if !ok {
		return ""
	}
	return head.Notification.Key
}

func TestResolveWaitsForTheTrigger(t *testing.T) {
	l := lane()
	now := began
	for range 5 {
		var n alert.Notification
		if l, n = l.Claim(now, time.Minute); n.Key != "t" {
			t.Fatalf("claimed %q, want the trigger", n.Key)
		}
		l, _ = l.Settle(n.Key, down, backoff, now, 0.5)
		head, _ := l.Head()
		now = head.Due
	}
	if head, _ := l.Head(); head.Tries != 5 || head.Error != "connection refused" {
		t.Errorf("after 5 tries: %d tries, error %q", head.Tries, head.Error)
	}
	l, n := l.Claim(now, time.Minute)
	l, _ = l.Settle(n.Key, delivery.Outcome{}, backoff, now, 0)
	if head, _ := l.Head(); head.Notification.Key != "r" || head.Due.After(now) {
		t.Errorf("after the trigger: head %q due %v, want the resolution due now", head.Notification.Key, head.Due)
	}
	if l.Items[0].State != delivery.Delivered || l.Items[0].Notification.Alert.ID != "" || l.Items[0].Error != "" {
		t.Errorf("delivered item = %+v, want it without its alert and error", l.Items[0])
	}
}

func TestSameNotificationIsAppendedOnce(t *testing.T) {
	l := lane()
	again := l.Append(notification("t", alert.Trigger, alert.Warning), began)
	if len(again.Items) != 2 {
		t.Errorf("%d items, want 2", len(again.Items))
	}
	if l.Told() != alert.Warning {
		t.Errorf("told %s, want warning", l.Told())
	}
}

func TestGivingUp(t *testing.T) {
	for _, tc := range []struct {
		name    string
		outcome delivery.Outcome
		after   time.Duration // since the notification
		want    string
	}{
		{"a refusal is final", delivery.Outcome{Err: errors.New("404")}, time.Second, delivery.Rejected},
		{"in time", down, 24*time.Hour - time.Second, ""},
		{"too late", down, 24 * time.Hour, delivery.Expired},
		{"too late, but delivered", delivery.Outcome{}, 25 * time.Hour, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := began.Add(tc.after)
			l, n := lane().Claim(now, time.Minute)
			l, givenUp := l.Settle(n.Key, tc.outcome, backoff, now, 0.9)
			if givenUp != tc.want {
				t.Errorf("given up: %q, want %q", givenUp, tc.want)
			}
			if head, _ := l.Head(); givenUp != "" && (head.Notification.Key != "r" || head.Due.After(now)) {
				t.Errorf("after giving up, %q is due at %v; want what is behind it, now", head.Notification.Key, head.Due)
			}
			if head, _ := l.Head(); givenUp == "" && tc.outcome.Err != nil && head.Due.After(began.Add(backoff.For)) {
				t.Errorf("the next try is at %v, after the end", head.Due)
			}
		})
	}
}

func TestBackoffGrowsWithinItsBounds(t *testing.T) {
	for _, random := range []float64{0, 0.5, 0.999999} {
		l, now, before := lane(), began, time.Duration(0)
		for try := 1; try <= 40; try++ {
			var n alert.Notification
			l, n = l.Claim(now, time.Minute)
			l, _ = l.Settle(n.Key, down, backoff, now, random)
			head, _ := l.Head()
			wait := head.Due.Sub(now)
			if wait < backoff.Min/2 || wait > backoff.Max || wait < before {
				t.Fatalf("try %d: wait %v after %v, want growth from %v to %v", try, wait, before, backoff.Min/2, backoff.Max)
			}
			before, now = wait, head.Due
		}
	}
}

func TestReceiverMayAskForALongerWait(t *testing.T) {
	l, n := lane().Claim(began, time.Minute)
	o := down
	o.After = 10 * time.Minute
	l, _ = l.Settle(n.Key, o, backoff, began, 0.5)
	if head, _ := l.Head(); head.Due.Sub(began) != 10*time.Minute {
		t.Errorf("due in %v, want 10m", head.Due.Sub(began))
	}
}

func TestInterruptedTryDoesNotCount(t *testing.T) {
	l, n := lane().Claim(began, time.Minute)
	o := down
	o.Interrupted = true
	l, givenUp := l.Settle(n.Key, o, backoff, began, 0.5)
	if head, _ := l.Head(); givenUp != "" || head.Tries != 0 || head.Due.After(began) {
		t.Errorf("interrupted: %d tries, due %v, given up %q; want 0, now, not", head.Tries, head.Due, givenUp)
	}
}

func TestSettlingTwiceChangesNothing(t *testing.T) {
	l, n := lane().Claim(began, time.Minute)
	l, _ = l.Settle(n.Key, delivery.Outcome{}, backoff, began, 0)
	late, givenUp := l.Settle(n.Key, delivery.Outcome{Err: errors.New("404")}, backoff, began, 0)
	if givenUp != "" || late.Items[0].State != delivery.Delivered || headKey(late) != "r" {
		t.Errorf("a second outcome changed the lane: %+v", late.Items)
	}
}

func TestAbandonGivesUpAllThatIsPending(t *testing.T) {
	l, count := lane().Abandon("gone", began)
	if _, pending := l.Head(); pending || count != 2 || l.Items[1].Error != "gone" {
		t.Errorf("abandoned %d: %+v", count, l.Items)
	}
}
