package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failpoint"
)

const (
	// relistenLeast and relistenMost bound the wait before a listener that was
	// thrown out begins again.
	relistenLeast, relistenMost = 200 * time.Millisecond, 5 * time.Second
	// buryAgain is the wait before an event whose dead letter could not be
	// stored is tried again.
	buryAgain = 5 * time.Second
	// drainPatience bounds the end of a listener whose connection is away.
	drainPatience = 2 * time.Second
)

// Consume handles the events of c by h until ctx is done; then it waits for the
// running handlers, whose contexts have ended, and returns nil. Its only error
// is errs.Invalid for a bad consumer: a server that is away is waited for.
//
// Beside the events being handled, at most as many wait in this process.
func (b *Bus) Consume(ctx context.Context, c Consumer, h Handler) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	l := &listener{
		bus: b, c: c, handle: h, log: b.log.With("consumer", c.Name),
		slots:  make(chan struct{}, c.Concurrency),
		active: map[jetstream.Msg]time.Time{},
	}
	l.run(ctx)
	return nil
}

// listener is one running Consume.
type listener struct {
	bus    *Bus
	c      Consumer
	handle Handler
	log    *slog.Logger

	slots    chan struct{} // one per running handler
	running  sync.WaitGroup
	tries    tries
	pause    pause
	progress progress // of an ephemeral consumer

	mu     sync.Mutex
	active map[jetstream.Msg]time.Time // received and not settled, since when
	// returned are messages of a listener that stops.
	returned []jetstream.Msg
}

func (l *listener) run(ctx context.Context) {
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beats sync.WaitGroup
	beats.Go(func() { l.beat(beating) })
	wait := relistenLeast
	for {
		began := time.Now()
		err := l.listen(ctx)
		l.giveUp()
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > relistenMost {
			wait = relistenLeast
		}
		l.log.Warn("consumer was thrown out, begins again", "err", err, "in", wait)
		if !sleep(ctx, wait) {
			break
		}
		wait = min(2*wait, relistenMost)
	}
	l.running.Wait()
	stop()
	beats.Wait()
	l.giveUp()
}

// listen dispatches events until ctx ends or the server throws it out.
func (l *listener) listen(ctx context.Context) error {
	here, leave := ctx, context.CancelFunc(func() {})
	if l.c.Ephemeral {
		// The server that comes back may have forgotten the consumer, and would
		// be silent about it for a long time.
		here, leave = l.bus.back.until(ctx)
	}
	defer leave()
	return l.dispatch(ctx, here)
}

// dispatch is listen as long as here lasts; the handlers get ctx.
func (l *listener) dispatch(ctx, here context.Context) error {
	consumer, leave, err := l.join(here)
	if err != nil {
		return err
	}
	defer leave()
	messages, err := consumer.Messages(jetstream.PullMaxMessages(l.c.Concurrency))
	if err != nil {
		return callError(err, "listen")
	}
	defer l.drain(ctx, messages)
	if l.c.Listening != nil {
		l.c.Listening()
	}
	for {
		select {
		case l.slots <- struct{}{}:
		case <-here.Done():
			return here.Err()
		}
		msg, err := messages.Next(jetstream.NextContext(here))
		if err != nil {
			<-l.slots
			return err
		}
		l.begin(msg)
		if !l.pause.wait(here) {
			l.giveBack(msg)
			<-l.slots
			return here.Err()
		}
		l.running.Go(func() {
			defer func() { <-l.slots }()
			l.deliver(ctx, msg)
		})
	}
}

// drain ends the flow of messages, and gives back those that wait in this
// process, so that they need not time out before someone else gets them.
func (l *listener) drain(ctx context.Context, messages jetstream.MessagesContext) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainPatience)
	defer cancel()
	messages.Drain()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return
		}
		l.giveBack(msg)
	}
}

// giveBack keeps a message that this process will not handle until it listens
// no longer: the server would send it here at once.
func (l *listener) giveBack(msg jetstream.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.returned = append(l.returned, msg)
}

// giveUp tells the server about the messages given back. It is called when
// nothing is asked for any more.
func (l *listener) giveUp() {
	l.mu.Lock()
	returned := l.returned
	l.returned = nil
	l.mu.Unlock()
	for _, msg := range returned {
		l.settled(msg, msg.Nak)
	}
}

// join finds or makes the consumer in the server. leave undoes what is this
// process's own.
func (l *listener) join(ctx context.Context) (consumer jetstream.Consumer, leave func(), err error) {
	if !l.c.Ephemeral {
		consumer, err = l.bus.durable(ctx, l.c)
		return consumer, func() {}, err
	}
	call, cancel := callContext(ctx)
	defer cancel()
	stream, err := l.bus.js.Stream(call, EventStream)
	if err != nil {
		return nil, nil, callError(err, "read stream %s", EventStream)
	}
	start := l.progress.resume(stream.CachedInfo().State.LastSeq + 1)
	name := l.c.Name + "-" + rand.Text()
	consumer, err = l.bus.ephemeral(ctx, l.c, name, start)
	return consumer, func() {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := l.bus.js.DeleteConsumer(call, EventStream, name); err != nil {
			l.log.Debug("the server will remove the consumer by itself", "name", name, "err", err)
		}
	}, err
}

// deliver handles one message.
func (l *listener) deliver(ctx context.Context, msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		l.log.Error("message without a place in the stream", "subject", msg.Subject(), "err", err)
		l.settled(msg, msg.Term)
		return
	}
	l.progress.open(meta.Sequence.Stream)
	began := time.Now()
	e, err := eventOf(msg.Subject(), msg.Headers(), msg.Data(), meta.Timestamp)
	e.Delivery = int(meta.NumDelivered)
	kind := errs.KindOf(err)
	if err == nil {
		kind, err = l.call(ctx, e)
	}
	if err != nil && ctx.Err() != nil {
		l.giveBack(msg)
		return
	}
	l.answer(msg, meta, e, kind, err, began)
}

// call runs the handler and returns the kind and the error of its end.
func (l *listener) call(ctx context.Context, e Event) (kind errs.Kind, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.c.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			kind, err = errs.Internal, errs.New(errs.Internal, "handler panicked: %v", p)
			l.log.Error("handler panicked", "event", e.ID, "type", e.Type, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	err = l.handle(ctx, e)
	kind = errs.KindOf(err)
	if kind == errs.Internal && ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		kind = errs.Unavailable // a call of the handler's took too long
	}
	return kind, err
}

// answer settles the message.
func (l *listener) answer(msg jetstream.Msg, meta *jetstream.MsgMetadata, e Event, kind errs.Kind, err error, began time.Time) {
	now := time.Now()
	s := situation{age: now.Sub(meta.Timestamp)}
	s.failures, s.conflicts = l.tries.add(meta.Sequence.Stream, kind, e.Delivery, now)
	what := settle(kind, s, l.c)
	log := l.log.With("event", e.ID, "type", e.Type, "subject", e.Subject, "delivery", e.Delivery)
	if what.pause {
		what.delay = l.pause.grow(began, now, retryAfter(err))
		log.Warn("a dependency is away, the consumer pauses", "err", err, "for", what.delay)
	} else {
		l.pause.end(began)
	}
	switch what.action {
	case again:
		if what.outcome == "failed" {
			log.Warn("event is tried again", "err", err, "failures", s.failures, "in", what.delay)
		} else {
			log.Debug("event is tried again", "err", err, "in", what.delay)
		}
		l.settled(msg, func() error { return msg.NakWithDelay(what.delay) })
	case bury:
		log.Error("event goes to the dead letters", "err", err)
		if err := l.bus.bury(msg, meta, l.c.Name, err); err != nil {
			log.Error("the dead letter cannot be stored, the event is tried again", "err", err)
			l.settled(msg, func() error { return msg.NakWithDelay(buryAgain) })
			return
		}
		l.done(msg, meta, func() error { return msg.TermWithReason("dead letter") })
	case acknowledge:
		if failpoint.Enabled {
			failpoint.Hit("ack.before", l.c.Name)
		}
		l.done(msg, meta, msg.Ack)
		if failpoint.Enabled {
			failpoint.Hit("ack.after", l.c.Name)
		}
	}
	l.bus.metrics.handled.WithLabelValues(l.c.Name, what.outcome).Inc()
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// done settles a message that will not come again.
func (l *listener) done(msg jetstream.Msg, meta *jetstream.MsgMetadata, how func() error) {
	l.settled(msg, how)
	l.tries.settled(meta.Sequence.Stream)
	l.progress.close(meta.Sequence.Stream)
}

// settled tells the server. An answer that does not get there is harmless: the
// message is delivered again.
func (l *listener) settled(msg jetstream.Msg, how func() error) {
	l.mu.Lock()
	delete(l.active, msg)
	l.mu.Unlock()
	if err := how(); err != nil {
		l.log.Debug("a delivery could not be settled", "subject", msg.Subject(), "err", err)
	}
}

func (l *listener) begin(msg jetstream.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active[msg] = time.Now()
}

// beat tells the server that the active messages are still worked on; but not
// for ever: a handler that ignores the end of its context loses its message to
// the next one.
func (l *listener) beat(ctx context.Context) {
	ticks := time.NewTicker(l.bus.config.AckWait / 3)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		l.mu.Lock()
		for msg, since := range l.active {
			if time.Since(since) > l.c.Timeout+pauseMost {
				continue
			}
			if err := msg.InProgress(); err != nil {
				l.log.Debug("a heartbeat could not be sent", "err", err)
			}
		}
		l.mu.Unlock()
	}
}
