package bus

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/redrive-io/redrive/pkg/errs"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func TestAnEventCrossesTheWire(t *testing.T) {
	for _, e := range []Event{
		{ID: "f1", Source: "redrive/scheduler", Type: AttemptFailed, Subject: "jobs/j1", Time: noon, ContentType: ContentProto, Data: []byte{0, 1}},
		{ID: `a "b"% é` + "\n", Source: "x y", Type: JobFinished, Emission: 3, Time: noon, ContentType: "application/json; charset=utf-8", TraceParent: "00-ab-cd-01"},
	} {
		m := e.message()
		for name, values := range m.Header {
			for _, c := range []byte(values[0]) {
				if c < ' ' || c > '~' {
					t.Errorf("header %s = %q has byte %#x", name, values[0], c)
				}
			}
		}
		got, err := eventOf(m.Subject, m.Header, m.Data, time.Time{})
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("came back as %+v, %v; want %+v", got, err, e)
		}
	}
}

func TestHeadersAreThoseOfTheBinding(t *testing.T) {
	e := Event{ID: "f%1", Source: "redrive/scheduler", Type: AttemptFailed, Subject: "jobs/j 1", Time: noon, ContentType: ContentProto, Emission: 2}
	want := map[string]string{
		"ce-specversion": "1.0", "ce-id": "f%251", "ce-source": "redrive/scheduler", "ce-type": "attempt.failed", "ce-subject": "jobs/j%201",
		"ce-time": "2026-03-01T12:00:00.123456789Z", "ce-emission": "2", "content-type": "application/protobuf",
		"Nats-Msg-Id": "redrive%2Fscheduler/attempt.failed/f%251/2",
	}
	m := e.message()
	if m.Subject != "redrive.v1.attempt.failed" || len(m.Header) != len(want) {
		t.Errorf("message = %s %v, want %v", m.Subject, m.Header, want)
	}
	for name, value := range want {
		if got := m.Header.Get(name); got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
}

func TestMessageIDsTellEventsApart(t *testing.T) {
	seen := map[string]Event{}
	for _, e := range []Event{
		{Source: "a", ID: "b", Type: AttemptFailed},
		{Source: "a", ID: "b", Type: AttemptFailed, Emission: 1},
		{Source: "a", ID: "b", Type: DecisionMade},
		{Source: "a/attempt.failed", ID: "b", Type: AttemptFailed},
		{Source: "a", ID: "attempt.failed/b", Type: AttemptFailed},
		{Source: "a%2F", ID: "b", Type: AttemptFailed},
		{Source: "a/", ID: "b", Type: AttemptFailed},
	} {
		id := e.messageID()
		if other, ok := seen[id]; ok {
			t.Errorf("%+v and %+v have one message id, %q", e, other, id)
		}
		seen[id] = e
	}
}

func TestEventsOfOthersAreReadKindly(t *testing.T) {
	header := func(changes ...string) nats.Header {
		h := nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"airflow"}, "ce-type": {"attempt.failed"}}
		for i := 0; i < len(changes); i += 2 {
			delete(h, changes[i])
			if changes[i+1] != "" {
				h[changes[i]] = []string{changes[i+1]}
			}
		}
		return h
	}
	const subject = "redrive.v1.attempt.failed"
	stored := time.Unix(5, 0)
	e, err := eventOf(subject, header(), []byte("{}"), stored)
	if err != nil || e.ContentType != ContentJSON || !e.Time.Equal(stored) || e.Type != AttemptFailed {
		t.Errorf("the least event = %+v, %v; want JSON at the time it was stored", e, err)
	}
	upper := nats.Header{"Ce-Specversion": {"1.0"}, "CE-ID": {"1"}, "Ce-Source": {"airflow"}, "ce-Type": {"attempt.failed"}, "Content-Type": {"Application/JSON; charset=utf-8"}, "Ce-Traceparent": {"00-x"}}
	e, err = eventOf(subject, upper, nil, stored)
	if err != nil || e.ID != "1" || e.TraceParent != "00-x" {
		t.Errorf("headers in another case = %+v, %v; want them read", e, err)
	}
	for _, tc := range []struct {
		name, field string
		subject     string
		header      nats.Header
	}{
		{"no headers", "id", subject, nil},
		{"no id", "id", subject, header("ce-id", "")},
		{"no source", "source", subject, header("ce-source", "")},
		{"long source", "source", subject, header("ce-source", strings.Repeat("s", 600))},
		{"other version", headerSpecVersion, subject, header("ce-specversion", "0.3")},
		{"type that is not the subject's", headerType, subject, header("ce-type", "decision.made")},
		{"unknown type", "type", "redrive.v1.job.exploded", header("ce-type", "job.exploded")},
		{"bad time", headerTime, subject, header("ce-time", "yesterday")},
		{"bad escape", headerID, subject, header("ce-id", "a%zz")},
		{"cut escape", headerID, subject, header("ce-id", "a%2")},
		{"not UTF-8", headerID, subject, header("ce-id", "%ff")},
		{"bad emission", headerEmission, subject, header("ce-emission", "x")},
		{"negative emission", "emission", subject, header("ce-emission", "-1")},
		{"structured mode", headerContentType, subject, header("content-type", "application/cloudevents+json")},
		{"other content", "content-type", subject, header("content-type", "text/plain")},
	} {
		_, err := eventOf(tc.subject, tc.header, nil, stored)
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || e.Kind != errs.Invalid {
			t.Errorf("%s: %v, want Invalid", tc.name, err)
			continue
		}
		found := false
		for _, v := range e.Violations {
			found = found || v.Field == tc.field
		}
		if !found {
			t.Errorf("%s: violations = %+v, want one of %s", tc.name, e.Violations, tc.field)
		}
	}
}

func FuzzPercent(f *testing.F) {
	f.Add("plain")
	f.Add("a%20b%")
	f.Add("é \"%\n")
	f.Fuzz(func(t *testing.T, s string) {
		if value, ok := percentDecode(s); ok {
			if again, ok := percentDecode(percentEncode(value)); !ok || again != value {
				t.Errorf("%q was read as %q and came back as %q", s, value, again)
			}
		}
	})
}

func FuzzEventOf(f *testing.F) {
	f.Add("redrive.v1.attempt.failed", "1.0", "id", "source", "attempt.failed", "2026-03-01T12:00:00Z", "application/json", []byte("{}"))
	f.Add("redrive.v1.", "", "%", "\x00", "", "x", ";", []byte(nil))
	f.Fuzz(func(t *testing.T, subject, version, id, source, kind, at, content string, data []byte) {
		e, err := eventOf(subject, nats.Header{
			"ce-specversion": {version}, "ce-id": {id}, "ce-source": {source}, "ce-type": {kind}, "ce-time": {at}, "content-type": {content},
		}, data, noon)
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("error = %v, want Invalid", err)
			}
			return
		}
		m := e.message()
		if again, err := eventOf(m.Subject, m.Header, m.Data, noon); err != nil || again.ID != e.ID || again.Source != e.Source || again.Type != e.Type {
			t.Errorf("%+v came back as %+v, %v", e, again, err)
		}
	})
}
