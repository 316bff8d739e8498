package bus

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failpoint"
)

// buryAgain is the wait before an event whose dead letter could not be stored is
// tried again.
const buryAgain = 5 * time.Second

// deliver handles one message and settles it.
func (l *listener) deliver(ctx context.Context, m *nats.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		l.log.Error("message without a place in the stream", "subject", m.Subject, "err", err)
		l.settled(m, nil)
		return
	}
	l.progress.open(meta.Sequence.Stream)
	began := time.Now()
	e, err := eventOf(m.Subject, m.Header, m.Data, meta.Timestamp)
	e.Delivery = int(meta.NumDelivered)
	if err == nil {
		err = checkSource(m.Subject, e.Source)
	}
	kind := errs.KindOf(err)
	if err == nil {
		kind, err = l.call(ctx, e)
	}
	if err != nil && ctx.Err() != nil {
		l.giveBack(m)
		return
	}
	l.answer(m, meta, e, kind, err, began)
}

// call runs the handler and returns the kind and the error of its end.
func (l *listener) call(ctx context.Context, e Event) (kind errs.Kind, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.c.Timeout)
	defer cancel()
	ctx, span := processing(ctx, l.c, e)
	defer func() { span.End(err) }()
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

// answer settles a message whose handler has ended.
func (l *listener) answer(m *nats.Msg, meta *nats.MsgMetadata, e Event, kind errs.Kind, err error, began time.Time) {
	now := time.Now()
	s := situation{age: now.Sub(meta.Timestamp)}
	s.failures, s.conflicts = l.tries.add(meta.Sequence.Stream, kind, e.Delivery, now)
	what := settle(kind, s, l.c)
	if what.action == acknowledge {
		l.pause.end(began)
		hitAck("ack.before", l.c.Name)
		l.done(m, meta, l.bus.ack)
		hitAck("ack.after", l.c.Name)
	} else if !l.failed(m, meta, e, what, s.failures, err, began, now) {
		return
	}
	l.metrics.settled(what.outcome, e.Delivery, meta.Timestamp, began, now, l.pause.left(now) > 0)
}

// failed settles a message whose handler returned an error. It reports false
// when that was not possible.
func (l *listener) failed(m *nats.Msg, meta *nats.MsgMetadata, e Event, what settlement, failures int, err error, began, now time.Time) bool {
	log := l.log.With("event", e.ID, "type", e.Type, "subject", e.Subject, "delivery", e.Delivery)
	if what.pause {
		what.delay = l.pause.grow(began, now, retryAfter(err))
		log.Warn("a dependency is away, the consumer pauses", "err", err, "for", what.delay)
	} else {
		l.pause.end(began)
	}
	if what.action == again {
		if what.outcome == "failed" {
			log.Warn("event is tried again", "err", err, "failures", failures, "in", what.delay)
		} else {
			log.Debug("event is tried again", "err", err, "in", what.delay)
		}
		l.settled(m, l.bus.nak(m, what.delay))
		return true
	}
	log.Error("event goes to the dead letters", "err", err)
	if err := l.bus.bury(m, meta, l.c.Name, err); err != nil {
		log.Error("the dead letter cannot be stored, the event is tried again", "err", err)
		l.settled(m, l.bus.nak(m, buryAgain))
		return false
	}
	l.done(m, meta, l.bus.term)
	return true
}

// done settles a message that will not come again.
func (l *listener) done(m *nats.Msg, meta *nats.MsgMetadata, how func(*nats.Msg) error) {
	l.settled(m, how(m))
	l.tries.settled(meta.Sequence.Stream)
	l.progress.close(meta.Sequence.Stream)
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// hitAck names the failpoint by the consumer.
func hitAck(step, consumer string) {
	if failpoint.Enabled {
		failpoint.Hit(step, consumer)
	}
}
