package notifier_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier"
)

// TestDeadLettersAreShownAndSentAgain publishes events that say nothing that can
// be.
func TestDeadLettersAreShownAndSentAgain(t *testing.T) {
	b := bustest.New(t)
	c, _ := start(t, notifier.Options{}, notifier.Deps{Store: storetest.Open(t), Bus: b})
	for _, id := range []string{"a", "b"} {
		e := bus.Event{
			ID: id, Source: "redrive/scheduler", Type: bus.DecisionMade, Subject: "jobs/" + id,
			Time: time.Now(), ContentType: bus.ContentJSON, Data: []byte(`{"name": "no decision"}`),
		}
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	all := listed(t, c, 2)
	for _, d := range all {
		if d.GetConsumer() == "" || d.GetReason() == "" || d.GetDeliveries() < 1 || d.GetCreateTime() == nil || d.GetEventType() != string(bus.DecisionMade) ||
			d.GetEventSubject() != "jobs/"+d.GetEventId() || len(d.GetData()) > 0 {
			t.Errorf("listed: %v", d)
		}
	}
	one, err := c.GetDeadLetter(t.Context(), &redrivev1.GetDeadLetterRequest{Name: all[1].GetName()})
	if err != nil || one.GetEventId() != all[1].GetEventId() || !strings.Contains(string(one.GetData()), "no decision") {
		t.Errorf("got %v, %v", one, err)
	}
	again, err := c.ReemitDeadLetter(t.Context(), &redrivev1.ReemitDeadLetterRequest{Name: one.GetName()})
	if err != nil || again.GetEventId() != one.GetEventId() {
		t.Errorf("sent again: %v, %v", again, err)
	}
	// It is as wrong as it was, and given up under another number.
	for _, d := range listed(t, c, 2) {
		if d.GetName() == one.GetName() {
			t.Errorf("%v is still there", d)
		}
	}
	for name, want := range map[string]string{
		one.GetName(): "does not exist", "deadLetters/0": "does not exist", "deadLetters/x": "is not the name", "7": "is not the name", "": "is not the name",
	} {
		_, getErr := c.GetDeadLetter(t.Context(), &redrivev1.GetDeadLetterRequest{Name: name})
		_, sendErr := c.ReemitDeadLetter(t.Context(), &redrivev1.ReemitDeadLetterRequest{Name: name})
		if !says(getErr, want) || !says(sendErr, want) {
			t.Errorf("%q: Get = %v, Reemit = %v; want %q", name, getErr, sendErr, want)
		}
	}
	if _, err := c.ListDeadLetters(t.Context(), &redrivev1.ListDeadLettersRequest{PageToken: "x"}); !says(err, "page_token") {
		t.Errorf("List with a wrong token = %v", err)
	}
}

func says(err error, want string) bool { return err != nil && strings.Contains(err.Error(), want) }

// listed waits for n dead letters, and reads them page by page.
func listed(t *testing.T, c redrivev1.NotifierServiceClient, n int) []*redrivev1.DeadLetter {
	t.Helper()
	for {
		var all []*redrivev1.DeadLetter
		req := &redrivev1.ListDeadLettersRequest{PageSize: 1}
		for {
			page, err := c.ListDeadLetters(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page.GetDeadLetters()...)
			if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		if len(all) == n {
			return all
		}
	}
}
