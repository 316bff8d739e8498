package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger/ledgertest"
	"github.com/redrive-io/redrive/services/notifier/internal/server"
)

// open returns a server with the alerts of jobs a to e; that of b is resolved.
func open(t *testing.T) *server.Server {
	t.Helper()
	w := ledgertest.Open(t, ledgertest.Receivers)
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, job := range []string{"jobs/a", "jobs/b", "jobs/c", "jobs/d", "jobs/e"} {
		now := began.Add(time.Duration(i) * time.Minute)
		if err := w.Failed(t.Context(), job, ledgertest.Failure(1, alert.Permanent), now); err != nil {
			t.Fatal(err)
		}
	}
	end := alert.End{Point: alert.Through(2), Cause: alert.Recovered, Time: began}
	if err := w.Ended(t.Context(), "jobs/b", end, began); err != nil {
		t.Fatal(err)
	}
	return server.New(w.Ledger, nil)
}

func TestListFiltersAndPages(t *testing.T) {
	s := open(t)
	for _, tc := range []struct {
		name string
		req  *redrivev1.ListAlertsRequest
		want string
	}{
		{"all, newest first", &redrivev1.ListAlertsRequest{}, "edcba"},
		{"in pages", &redrivev1.ListAlertsRequest{PageSize: 2}, "edcba"},
		{"firing", &redrivev1.ListAlertsRequest{State: redrivev1.Alert_STATE_FIRING, PageSize: 3}, "edca"},
		{"resolved", &redrivev1.ListAlertsRequest{State: redrivev1.Alert_STATE_RESOLVED}, "b"},
		{"of a job", &redrivev1.ListAlertsRequest{Job: "jobs/c"}, "c"},
		{"of a job, resolved", &redrivev1.ListAlertsRequest{Job: "jobs/c", State: redrivev1.Alert_STATE_RESOLVED}, ""},
		{"of no job", &redrivev1.ListAlertsRequest{Job: "jobs/x"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got strings.Builder
			for {
				page, err := s.ListAlerts(t.Context(), tc.req)
				if err != nil {
					t.Fatal(err)
				}
				if n := len(page.GetAlerts()); tc.req.PageSize > 0 && n > int(tc.req.PageSize) {
					t.Errorf("a page has %d alerts", n)
				}
				for _, a := range page.GetAlerts() {
					got.WriteString(strings.TrimPrefix(a.GetJob(), "jobs/"))
				}
				if tc.req.PageToken = page.GetNextPageToken(); tc.req.PageToken == "" {
					break
				}
			}
			if got.String() != tc.want {
				t.Errorf("alerts of %q, want %q", got.String(), tc.want)
			}
		})
	}
}

func TestBadRequestsNameTheField(t *testing.T) {
	s := open(t)
	page, err := s.ListAlerts(t.Context(), &redrivev1.ListAlertsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	list := func(r *redrivev1.ListAlertsRequest) error { _, err := s.ListAlerts(t.Context(), r); return err }
	get := func(name string) error {
		_, err := s.GetAlert(t.Context(), &redrivev1.GetAlertRequest{Name: name})
		return err
	}
	for name, tc := range map[string]struct {
		err   error
		kind  errs.Kind
		field string
	}{
		"token of another list": {list(&redrivev1.ListAlertsRequest{PageToken: page.GetNextPageToken(), Job: "jobs/a"}), errs.Invalid, "page_token"},
		"negative size":         {list(&redrivev1.ListAlertsRequest{PageSize: -1}), errs.Invalid, "page_size"},
		"no such state":         {list(&redrivev1.ListAlertsRequest{State: 77}), errs.Invalid, "state"},
		"long job":              {list(&redrivev1.ListAlertsRequest{Job: strings.Repeat("x", 1000)}), errs.Invalid, "job"},
		"no name":               {get(""), errs.Invalid, "name"},
		"another's name":        {get("jobs/a"), errs.Invalid, "name"},
		"bad id":                {get("alerts/../x"), errs.Invalid, "name"},
		"no such alert":         {get("alerts/0000"), errs.NotFound, "0000"},
	} {
		if errs.KindOf(tc.err) != tc.kind || !strings.Contains(tc.err.Error(), tc.field) {
			t.Errorf("%s: %v, want kind %v about %s", name, tc.err, tc.kind, tc.field)
		}
	}
}

func TestAcknowledgeAndResolve(t *testing.T) {
	s := open(t)
	page, err := s.ListAlerts(t.Context(), &redrivev1.ListAlertsRequest{Job: "jobs/a"})
	if err != nil {
		t.Fatal(err)
	}
	name := page.GetAlerts()[0].GetName()
	a, err := s.AcknowledgeAlert(t.Context(), &redrivev1.AcknowledgeAlertRequest{Name: name, By: "alice"})
	if err != nil || a.GetState() != redrivev1.Alert_STATE_ACKNOWLEDGED || a.GetAcknowledgedBy() != "alice" {
		t.Fatalf("acknowledged: %v, %v", a, err)
	}
	a, err = s.ResolveAlert(t.Context(), &redrivev1.ResolveAlertRequest{Name: name, By: "bob"})
	if err != nil || a.GetState() != redrivev1.Alert_STATE_RESOLVED || !strings.Contains(a.GetAction(), "Resolved by bob") {
		t.Fatalf("resolved: %v, %v", a, err)
	}
	a, err = s.GetAlert(t.Context(), &redrivev1.GetAlertRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, d := range a.GetDeliveries() {
		told[d.GetReceiver()] += d.GetAction() + " "
		if d.GetState() != redrivev1.Delivery_STATE_PENDING || d.GetUpdateTime() == nil {
			t.Errorf("delivery = %v, want it pending", d)
		}
	}
	want := map[string]string{"hook": "trigger acknowledge resolve ", "oncall": "trigger acknowledge resolve ", "chat": "trigger resolve "}
	for receiver, actions := range want {
		if told[receiver] != actions {
			t.Errorf("%s is told %q, want %q", receiver, told[receiver], actions)
		}
	}
	if _, err := s.AcknowledgeAlert(t.Context(), &redrivev1.AcknowledgeAlertRequest{Name: name, By: strings.Repeat("x", 1000)}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a long name: %v, want Invalid", err)
	}
}
