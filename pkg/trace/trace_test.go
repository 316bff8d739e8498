package trace_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	otel "go.opentelemetry.io/otel/trace"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/trace"
	"github.com/redrive-io/redrive/pkg/trace/tracetest"
)

const (
	sampled  = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	dropped  = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	nonsense = "00-xyz"
)

func TestNothingIsAllocatedWhenOff(t *testing.T) {
	if trace.On() {
		t.Fatal("spans are recorded although nobody asked for it")
	}
	ctx, err, job := t.Context(), errors.New("no"), strings.Repeat("j", 3)
	allocs := testing.AllocsPerRun(100, func() {
		ctx, span := trace.Begin(ctx, "attempt", trace.How{Kind: trace.Consumer, Link: sampled})
		span.Set(trace.Text("redrive.job", job), trace.Number("redrive.attempt", 3))
		if trace.Parent(ctx) != "" || span.Parent() != "" {
			t.Error("a span without a recorder has a traceparent")
		}
		span.End(err)
	})
	if allocs != 0 {
		t.Errorf("a span that is not recorded allocates %v times", allocs)
	}
}

func TestChildrenAndLinks(t *testing.T) {
	for _, tc := range []struct {
		name              string
		how               trace.How
		child, root, link bool // of the remote span, which has trace id 0af7…
	}{
		{name: "child of the span in the context", how: trace.How{}},
		{name: "child of a remote span", how: trace.How{Kind: trace.Producer, Parent: sampled}, child: true},
		{name: "a malformed parent is no parent", how: trace.How{Parent: nonsense}},
		{name: "linked to a remote span", how: trace.How{Kind: trace.Consumer, Link: sampled}, root: true, link: true},
		{name: "a malformed link is no link", how: trace.How{Link: nonsense}, root: true},
		{name: "what follows an unsampled span stays in its trace", how: trace.How{Link: dropped}, child: true},
		{name: "a root", how: trace.How{Root: true}, root: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spans := tracetest.Record(t)
			ctx, outer := trace.Start(t.Context(), "outer")
			ctx, inner := trace.Begin(ctx, "inner", tc.how)
			if got := trace.Parent(ctx); got != inner.Parent() || len(got) != len(sampled) {
				t.Errorf("traceparent of the context is %q, of its span %q", got, inner.Parent())
			}
			inner.End(nil)
			outer.End(nil)
			got, around := spans.Named("inner")[0], spans.Named("outer")[0]
			remote := got.SpanContext.TraceID().String() == sampled[3:35]
			inside := got.SpanContext.TraceID() == around.SpanContext.TraceID()
			if remote != tc.child || inside != (!tc.child && !tc.root) || (len(got.Links) == 1) != tc.link {
				t.Errorf("in the remote trace: %v, in the outer one: %v, links: %v", remote, inside, got.Links)
			}
			if tc.link && (got.Links[0].SpanContext.SpanID().String() != sampled[36:52] || got.Parent.IsValid()) {
				t.Errorf("links %v, parent %v", got.Links, got.Parent)
			}
		})
	}
}

func TestSpanSaysWhatHappened(t *testing.T) {
	spans := tracetest.Record(t)
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	_, span := trace.Begin(t.Context(), "attempt", trace.How{Kind: trace.Consumer, Time: began})
	span.Set(trace.Text("job", "etl"), trace.Number("attempt", 0), trace.Text("empty", ""), trace.Text("long", strings.Repeat("é", 400)))
	span.End(errs.New(errs.Unavailable, "connect to redis://user:hunter2hunter2@db:6379 failed"))
	got := spans.Spans()[0]
	if got.SpanKind != otel.SpanKindConsumer || !got.StartTime.Equal(began) {
		t.Errorf("kind %v, began %v", got.SpanKind, got.StartTime)
	}
	attrs := map[string]string{}
	for _, a := range got.Attributes {
		attrs[string(a.Key)] = a.Value.String()
	}
	if attrs["job"] != "etl" || attrs["attempt"] != "0" || attrs["error.type"] != "Unavailable" || len(attrs["long"]) != 512 || strings.ContainsRune(attrs["long"], '\uFFFD') {
		t.Errorf("attributes are %v", attrs)
	}
	if _, there := attrs["empty"]; there {
		t.Error("an empty text is an attribute")
	}
	if got.Status.Code != codes.Error || !strings.Contains(got.Status.Description, "connect to redis") || strings.Contains(got.Status.Description, "hunter2") {
		t.Errorf("status is %+v", got.Status)
	}
}

func TestTheTextOfACallersMistakeIsNotRecorded(t *testing.T) {
	spans := tracetest.Record(t)
	_, span := trace.Start(t.Context(), "submit")
	span.End(errs.Field("config.query", "%q is no number", "select * from salaries"))
	if got := spans.Spans()[0].Status; got.Code != codes.Error || got.Description != "" {
		t.Errorf("status is %+v", got)
	}
}

func TestZeroSpan(t *testing.T) {
	var s trace.Span
	s.Set(trace.Text("a", "b"))
	s.End(nil)
	if s.Parent() != "" || trace.Parent(context.Background()) != "" {
		t.Error("the zero span has a traceparent")
	}
}

// FuzzLink feeds what an event's header may say.
func FuzzLink(f *testing.F) {
	for _, s := range []string{"", sampled, dropped, nonsense, sampled + "-more", strings.ToUpper(sampled), "ff" + sampled[2:], "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01"} {
		f.Add(s)
	}
	tracetest.Record(f)
	f.Fuzz(func(t *testing.T, s string) {
		_, span := trace.Begin(t.Context(), "process", trace.How{Link: s, Kind: trace.Consumer})
		defer span.End(nil)
		if p := span.Parent(); len(p) != len(sampled) {
			t.Errorf("after %q the traceparent is %q", s, p)
		}
		_, child := trace.Begin(t.Context(), "publish", trace.How{Parent: s})
		child.End(nil)
	})
}
