package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger/ledgertest"
)

// Each of two replicas remembers what it wrote, and the other one changes it.
func TestWhatIsRememberedIsNeverTrusted(t *testing.T) {
	db := storetest.Open(t)
	one, other := ledgertest.On(t, db, ledgertest.Receivers), ledgertest.On(t, db, ledgertest.Receivers)
	fail(t, one, 1, alert.BeforeCap)
	id := one.Only(t).ID
	if _, err := other.Acknowledge(t.Context(), id, "alice", began); err != nil {
		t.Fatal(err)
	}
	fail(t, one, 2, alert.BeforeCap)
	if a := one.Only(t); a.State != alert.Acknowledged || a.FailureCount != 2 {
		t.Errorf("alert is %s with %d failures, want acknowledged with 2", a.State, a.FailureCount)
	}
	fail(t, other, 3, alert.Permanent)
	// The first replica has not heard of the decision that the stop comes from.
	s := alert.Stop{Point: alert.Point{Attempt: 3, Revision: 9}, Reason: "stopped", Source: "redrive", Time: began}
	if err := one.Stopped(t.Context(), ledgertest.Job, s, began.Add(time.Second)); err != nil {
		t.Errorf("a stop after its decision: %v", err)
	}
	if _, err := other.Resolve(t.Context(), id, "bob", began); err != nil {
		t.Fatal(err)
	}
	end(t, one, 4, alert.Recovered)
	fail(t, other, 4, alert.Nobody)
	fail(t, one, 5, alert.Nobody)
	all := one.All(t)
	for _, a := range all {
		if firing := a.State == alert.Firing; firing != (a.Attempt == 5) {
			t.Errorf("the alert of attempt %d is %s, want the one of attempt 5 alone to fire", a.Attempt, a.State)
		}
	}
	if len(all) != 3 {
		t.Errorf("there are %d alerts, want 3", len(all))
	}
}

// gets counts the documents that are asked for.
type gets struct {
	docstore.Store
	n int
}

func (g *gets) Get(ctx context.Context, kind, id string) (docstore.Doc, error) {
	g.n++
	return g.Store.Get(ctx, kind, id)
}

func TestAJobThatFailsAgainIsRemembered(t *testing.T) {
	db := &gets{Store: storetest.Open(t)}
	w := ledgertest.On(t, db, "")
	for attempt, want := range []int{1, 1, 1, 2} { // the last is old news, and needs a look
		fail(t, w, min(attempt+1, 3), alert.Nobody)
		if db.n != want {
			t.Errorf("%d documents were read until failure %d, want %d", db.n, attempt+1, want)
		}
	}
}
