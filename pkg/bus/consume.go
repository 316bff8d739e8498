package bus

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/redrive-io/redrive/pkg/errs"
)

// relistenLeast and relistenMost bound the wait before a listener that was
// thrown out begins again.
const relistenLeast, relistenMost = 200 * time.Millisecond, 5 * time.Second

// Consume handles the events of c by h until ctx is done; then it waits for the
// running handlers, whose contexts have ended, and returns nil. Its only error
// is errs.Invalid for a bad consumer: a server that is away is waited for.
func (b *Bus) Consume(ctx context.Context, c Consumer, h Handler) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	l := &listener{
		bus: b, c: c, handle: h, log: b.log.With("consumer", c.Name), metrics: b.metrics.of(c.Name),
		freed:  make(chan struct{}, 1),
		next:   make(chan *nats.Msg),
		active: map[*nats.Msg]time.Time{},
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

	metrics consumerMetrics

	busy     atomic.Int32  // running handlers
	freed    chan struct{} // holds one token when some have ended
	running  sync.WaitGroup
	next     chan *nats.Msg // for a goroutine that has nothing to do
	tries    tries
	pause    pause
	progress progress // of an ephemeral consumer

	mu     sync.Mutex
	active map[*nats.Msg]time.Time // received and not settled, since when
	// returned are messages that this process will not handle. They are given
	// back when it asks for nothing any more, else the server would send them
	// here at once.
	returned []*nats.Msg
}

// run listens until ctx ends, again and again.
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
	// The bus may be closed next, and the last answers with it.
	if err := l.bus.conn.FlushTimeout(time.Second); err != nil {
		l.log.Debug("the last answers may not have got there", "err", err)
	}
}

// listen dispatches events until ctx ends, the connection was lost and is back,
// or the server throws it out.
func (l *listener) listen(ctx context.Context) error {
	// The server that comes back may have forgotten what it was asked, and an
	// ephemeral consumer altogether.
	here, cancel := l.bus.back.until(ctx)
	defer cancel()
	name, leave, err := l.join(here)
	if err != nil {
		return err
	}
	defer leave()
	p, err := newPuller(l.bus.conn, l.c.stream(), name, l.c.Concurrency)
	if err != nil {
		return err
	}
	defer func() { l.giveBack(p.close()...) }()
	if l.c.Listening != nil {
		l.c.Listening()
	}
	look := time.NewTicker(pullHeartbeat)
	defer look.Stop()
	for {
		paused := l.pause.left(time.Now())
		// A request for each hand that is free again would cost the server more
		// than the event: those that wait for one do for as many others.
		if free := l.c.Concurrency - int(l.busy.Load()) - p.asked; free > 0 && free >= p.asked && paused == 0 {
			if err := p.ask(free, time.Now()); err != nil {
				return err
			}
		}
		select {
		case <-here.Done():
			return errs.New(errs.Unavailable, "the connection was lost: %w", here.Err())
		case <-after(paused):
		case <-l.freed:
		case now := <-look.C:
			if p.silent(now) {
				return errs.New(errs.Unavailable, "the server is silent")
			}
		case m := <-p.messages:
			isMessage, err := p.read(m, time.Now())
			if err != nil {
				return err
			}
			if isMessage {
				l.start(ctx, m)
			}
		}
	}
}

// after is a channel that speaks in a while, and never for a while of 0.
func after(while time.Duration) <-chan time.Time {
	if while == 0 {
		return nil
	}
	return time.After(while)
}

// start has a message handled by a goroutine that has nothing to do, or by a new
// one: there are never more than hands. They stay until ctx ends, because a new
// goroutine has to grow its stack for every event.
func (l *listener) start(ctx context.Context, m *nats.Msg) {
	l.mu.Lock()
	l.active[m] = time.Now()
	l.mu.Unlock()
	l.busy.Add(1)
	select {
	case l.next <- m:
		return
	default:
	}
	l.running.Go(func() {
		for {
			l.handleOne(ctx, m)
			select {
			case m = <-l.next:
			case <-ctx.Done():
				return
			}
		}
	})
}

// handleOne handles a message. One that was asked for before a pause waits for
// its end.
func (l *listener) handleOne(ctx context.Context, m *nats.Msg) {
	defer l.free()
	if !l.pause.wait(ctx) {
		l.giveBack(m)
		return
	}
	l.deliver(ctx, m)
}

// free says that a handler has ended.
func (l *listener) free() {
	l.busy.Add(-1)
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

// join finds or makes the consumer in the server. leave undoes what is this
// process's own.
func (l *listener) join(ctx context.Context) (name string, leave func(), err error) {
	if !l.c.Ephemeral {
		return l.c.Name, func() {}, l.bus.durable(ctx, l.c)
	}
	call, cancel := callContext(ctx)
	defer cancel()
	stream, err := l.bus.js.Stream(call, l.c.stream())
	if err != nil {
		return "", nil, callError(err, "read stream %s", l.c.stream())
	}
	start := l.progress.resume(stream.CachedInfo().State.LastSeq + 1)
	name = l.c.Name + "-" + rand.Text()
	return name, func() {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := l.bus.js.DeleteConsumer(call, l.c.stream(), name); err != nil {
			l.log.Debug("the server will remove the consumer by itself", "name", name, "err", err)
		}
	}, l.bus.ephemeral(ctx, l.c, name, start)
}

// giveBack notes messages that this process will not handle.
func (l *listener) giveBack(messages ...*nats.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.returned = append(l.returned, messages...)
}

// giveUp tells the server about the messages given back, so that they need not
// time out before someone else gets them. It is called when nothing is asked
// for.
func (l *listener) giveUp() {
	l.mu.Lock()
	returned := l.returned
	l.returned = nil
	l.mu.Unlock()
	for _, m := range returned {
		l.settled(m, l.bus.nak(m, 0))
	}
}

// settled forgets a message whose answer was sent. An answer that does not get
// there is harmless: the message is delivered again.
func (l *listener) settled(m *nats.Msg, err error) {
	l.mu.Lock()
	delete(l.active, m)
	l.mu.Unlock()
	if err != nil {
		l.log.Debug("a delivery could not be settled", "subject", m.Subject, "err", err)
	}
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
		for m, since := range l.active {
			if time.Since(since) > l.c.Timeout+pauseMost {
				continue
			}
			if err := l.bus.progress(m); err != nil {
				l.log.Debug("a heartbeat could not be sent", "err", err)
			}
		}
		l.mu.Unlock()
	}
}
