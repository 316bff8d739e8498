//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const (
	// calmPatience bounds how long events may still be handled after the last
	// job has ended: those that a dead replica had come again after 30 s.
	calmPatience  = 90 * time.Second
	checkPatience = 2 * time.Minute
	// mostShown bounds how many jobs of one fault are named.
	mostShown = 10
)

// check looks for whatever may be lost or there twice, when nothing is left to
// do.
func (d *deployment) check(l *load) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), calmPatience+checkPatience)
	defer cancel()
	began := time.Now()
	d.calm(ctx)
	d.t.Logf("nothing was left to do after %v", time.Since(began).Round(time.Second))
	d.checkStreams(ctx)
	c := &checker{d: d, l: l, clients: d.direct(), shown: map[string]int{}}
	for _, look := range []func(context.Context) error{c.readAll, c.checkJobs, c.checkPatches, c.checkAlerts, c.checkNotifications, c.checkWitness, c.checkEvents} {
		if err := look(ctx); err != nil {
			d.t.Errorf("check: %v", err)
		}
	}
}

// calm waits until all processes are ready, all events are handled and none
// waits to be sent.
func (d *deployment) calm(ctx context.Context) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, calmPatience)
	defer cancel()
	for _, p := range d.all {
		if err := until(ctx, p.name+" is not ready at the end", p.ready); err != nil {
			d.t.Error(err)
		}
	}
	err := until(ctx, "there is still something to do", func(ctx context.Context) error {
		return errors.Join(d.handled(ctx), d.sent(ctx))
	})
	if err != nil {
		d.t.Error(err)
	}
}

// handled is nil when no consumer has an event before it.
func (d *deployment) handled(ctx context.Context) error {
	var left []error
	for _, c := range bus.Consumers {
		if c.Ephemeral {
			continue
		}
		stream := bus.EventStream
		if c.Reports {
			stream = bus.ReportStream
		}
		consumer, err := d.bus.Consumer(ctx, stream, c.Name)
		if err != nil {
			left = append(left, fmt.Errorf("%s: %w", c.Name, err))
			continue
		}
		if i := consumer.CachedInfo(); i.NumPending > 0 || i.NumAckPending > 0 {
			left = append(left, fmt.Errorf("%s has %d events before it and %d under way", c.Name, i.NumPending, i.NumAckPending))
		}
	}
	return errors.Join(left...)
}

// sent is nil when no service has an event to send.
func (d *deployment) sent(ctx context.Context) error {
	var left []error
	for service := range services {
		n, err := d.store.Count(ctx, docstore.Query{Kind: service + ".outbox"}, 0)
		if err != nil || n > 0 {
			left = append(left, errors.Join(fmt.Errorf("%s has %d events to send", service, n), err))
		}
	}
	return errors.Join(left...)
}

// checkStreams looks at the streams: three copies each, all up to date, and no
// dead letters.
func (d *deployment) checkStreams(ctx context.Context) {
	d.t.Helper()
	for _, name := range []string{bus.EventStream, bus.ReportStream, bus.DeadLetterStream} {
		err := until(ctx, name, func(ctx context.Context) error { return d.copies(ctx, name) })
		if err != nil {
			d.t.Error(err)
		}
	}
	s, err := d.bus.Stream(ctx, bus.DeadLetterStream)
	if err != nil {
		d.t.Error(err)
		return
	}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; state.Msgs > 0 && seq <= min(state.LastSeq, state.FirstSeq+mostShown); seq++ {
		if m, err := s.GetMsg(ctx, seq); err == nil {
			d.t.Errorf("a dead letter on %s: %v", m.Subject, m.Header)
		}
	}
	if state.Msgs > 0 {
		d.t.Errorf("%d dead letters, want none", state.Msgs)
	}
}

func (d *deployment) copies(ctx context.Context, name string) error {
	s, err := d.bus.Stream(ctx, name)
	if err != nil {
		return err
	}
	info := s.CachedInfo()
	c := info.Cluster
	if info.Config.Replicas != 3 || c == nil || c.Leader == "" || len(c.Replicas) != 2 ||
		slices.ContainsFunc(c.Replicas, func(p *jetstream.PeerInfo) bool { return p.Offline || !p.Current }) {
		return fmt.Errorf("it has %d copies, want 3 that are up to date with a leader: %+v", info.Config.Replicas, c)
	}
	return nil
}

// checker compares what is on record with what the jobs did.
type checker struct {
	*clients
	d     *deployment
	l     *load
	shown map[string]int

	jobs     map[string]*redrivev1.Job
	failures map[string]*redrivev1.Failure // by name
	patches  map[string][]*redrivev1.Patch // by failure
	alerts   map[string][]*redrivev1.Alert // by job
}

// wrong tells one finding; of many of the same sort, the first ones.
func (c *checker) wrong(sort, format string, args ...any) {
	if c.shown[sort]++; c.shown[sort] <= mostShown {
		c.d.t.Errorf(sort+": "+format, args...)
	} else {
		c.d.t.Fail()
	}
}

// readAll reads what the services have.
func (c *checker) readAll(ctx context.Context) error {
	c.jobs, c.failures = map[string]*redrivev1.Job{}, map[string]*redrivev1.Failure{}
	c.patches, c.alerts = map[string][]*redrivev1.Patch{}, map[string][]*redrivev1.Alert{}
	return errors.Join(
		pages(func(token string) (string, error) {
			res, err := c.scheduler.ListJobs(ctx, &redrivev1.ListJobsRequest{PageSize: 200, PageToken: token, Workflow: workflow})
			for _, j := range res.GetJobs() {
				c.jobs[j.GetName()] = j
			}
			return res.GetNextPageToken(), err
		}),
		pages(func(token string) (string, error) {
			res, err := c.classifier.ListFailures(ctx, &redrivev1.ListFailuresRequest{PageSize: 200, PageToken: token, Workflow: workflow})
			for _, f := range res.GetFailures() {
				c.failures[f.GetName()] = f
			}
			return res.GetNextPageToken(), err
		}),
		pages(func(token string) (string, error) {
			res, err := c.config.ListPatches(ctx, &redrivev1.ListPatchesRequest{PageSize: 200, PageToken: token, Workflow: workflow})
			for _, p := range res.GetPatches() {
				c.patches[p.GetFailure()] = append(c.patches[p.GetFailure()], p)
			}
			return res.GetNextPageToken(), err
		}),
		pages(func(token string) (string, error) {
			res, err := c.notifier.ListAlerts(ctx, &redrivev1.ListAlertsRequest{PageSize: 200, PageToken: token})
			for _, a := range res.GetAlerts() {
				c.alerts[a.GetJob()] = append(c.alerts[a.GetJob()], a)
			}
			return res.GetNextPageToken(), err
		}),
	)
}

func pages(read func(token string) (next string, err error)) error {
	for token := ""; ; {
		next, err := read(token)
		if err != nil || next == "" {
			return err
		}
		token = next
	}
}

// checkJobs looks for jobs that are lost or ended wrongly, and for failures
// without their one record and their one decision.
func (c *checker) checkJobs(ctx context.Context) error {
	if len(c.jobs) != len(c.l.jobs) {
		c.wrong("lost", "%d jobs are on record, want %d", len(c.jobs), len(c.l.jobs))
	}
	failed, degraded := 0, 0
	for _, want := range c.l.jobs {
		j := c.jobs[want.name()]
		if j.GetState() != want.end || len(j.GetAttempts()) != want.attempts {
			c.wrong("job", "%s %+v is %v with %d attempts (%s)", want.name(), *want, j.GetState(), len(j.GetAttempts()), j.GetStateReason())
		}
		res, err := c.scheduler.ListDecisions(ctx, &redrivev1.ListDecisionsRequest{Parent: want.name()})
		if err != nil {
			return err
		}
		decided := map[string]*redrivev1.Decision{}
		for _, x := range res.GetDecisions() {
			decided[x.GetName()] = x
		}
		for i, a := range j.GetAttempts() {
			if int(a.GetNumber()) != i+1 {
				c.wrong("attempt", "%s has attempts %v", want.name(), j.GetAttempts())
			}
			if !decidable(a) {
				continue
			}
			failed++
			f, x := c.failures[a.GetFailure()], decided[a.GetDecision()]
			if f.GetState() != redrivev1.Failure_STATE_FINAL {
				c.wrong("failure", "attempt %d of %s has the failure %q, which is %v", a.GetNumber(), want.name(), a.GetFailure(), f)
			}
			if x.GetDegraded() {
				degraded++
			}
			if x == nil {
				c.wrong("decision", "attempt %d of %s has the decision %q: %v", a.GetNumber(), want.name(), a.GetDecision(), x)
			}
			delete(decided, a.GetDecision())
		}
		if len(decided) > 0 {
			c.wrong("decision", "%s has decisions on what did not fail: %v", want.name(), decided)
		}
	}
	c.d.t.Logf("%d failures, of which %d were decided on before they were classified", failed, degraded)
	if len(c.failures) != failed {
		c.wrong("failure", "%d failures are on record, want %d", len(c.failures), failed)
	}
	return nil
}

// decidable reports whether an attempt ended so that a decision follows.
func decidable(a *redrivev1.Attempt) bool { return !a.GetSucceeded() && !cancelled(a) }

// cancelled reports whether an attempt was ended by a caller, perhaps before its
// program began.
func cancelled(a *redrivev1.Attempt) bool {
	return a.GetEvidence().GetTerminationReason() == redrivev1.TerminationReason_TERMINATION_REASON_CANCELLED
}

// checkPatches looks for failures with a patch too many or too few.
func (c *checker) checkPatches(context.Context) error {
	for name, f := range c.failures {
		got := c.patches[name]
		if f.GetPatch() == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || got[0].GetName() != f.GetPatch() {
			c.wrong("patch", "%s names the patch %q and has %v", name, f.GetPatch(), got)
		}
		delete(c.patches, name)
	}
	for name, got := range c.patches {
		if len(got) > 0 {
			c.wrong("patch", "of %q, which is no failure: %v", name, got)
		}
	}
	return nil
}

// checkWitness looks for attempts of our own jobs that ran twice, or never.
func (c *checker) checkWitness(context.Context) error {
	text, err := os.ReadFile(c.l.witness)
	if err != nil {
		return err
	}
	ran := map[string]int{}
	for run := range strings.FieldsSeq(string(text)) {
		ran[run]++
	}
	for _, want := range c.l.jobs {
		if !want.own {
			continue
		}
		for _, a := range c.jobs[want.name()].GetAttempts() {
			run := fmt.Sprintf("%s/%d", want.id, a.GetNumber())
			if ran[run] > 1 || ran[run] == 0 && !cancelled(a) {
				c.wrong("witness", "attempt %s ran %d times, want once: %v", run, ran[run], a.GetEvidence())
			}
			delete(ran, run)
		}
	}
	if len(ran) > 0 {
		c.wrong("witness", "attempts ran that are not on record: %v", ran)
	}
	return nil
}

// checkEvents looks for decisions that were never told, and for two different
// ones told on one failure.
func (c *checker) checkEvents(ctx context.Context) error {
	var told map[string]*redrivev1.Decision
	// The servers that have just come back may not know a new consumer yet.
	err := until(ctx, "read the events", func(ctx context.Context) (err error) {
		told, err = c.decisionsTold(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, j := range c.jobs {
		for _, a := range j.GetAttempts() {
			if decidable(a) && told[a.GetDecision()] == nil {
				c.wrong("event", "the decision %s was never told", a.GetDecision())
			}
		}
	}
	return nil
}

// decisionsTold reads the decisions from the stream of events.
func (c *checker) decisionsTold(ctx context.Context) (map[string]*redrivev1.Decision, error) {
	stream, err := c.d.bus.Stream(ctx, bus.EventStream)
	if err != nil {
		return nil, err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject: bus.SubjectPrefix + string(bus.DecisionMade), AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true,
	})
	if err != nil {
		return nil, err
	}
	told := map[string]*redrivev1.Decision{}
	for left := consumer.CachedInfo().NumPending; left > 0; {
		batch, err := consumer.Fetch(int(min(left, 500)), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			return nil, err
		}
		got := uint64(0)
		for msg := range batch.Messages() {
			got++
			d := &redrivev1.DecisionMade{}
			if err := proto.Unmarshal(msg.Data(), d); err != nil {
				return nil, err
			}
			name := d.GetDecision().GetName()
			if first := told[name]; first != nil && !proto.Equal(first, d.GetDecision()) {
				c.wrong("event", "two decisions were told: %v and %v", first, d.GetDecision())
			}
			told[name] = d.GetDecision()
		}
		if err := batch.Error(); err != nil {
			return nil, err
		}
		if got == 0 {
			return nil, fmt.Errorf("%d events do not come", left)
		}
		left -= min(got, left)
	}
	return told, nil
}
