package bus

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/errs"
)

// The server in this process confirms what it has written and not synced yet.
// For Redrive's own events that is enough: the outbox keeps each until Sync. What
// another scheduler reports is nowhere else, so it comes to a reception: this
// puts it into the stream, syncs once for all that came meanwhile, and then
// hands the stream's confirmation to the one who reported. A server that stands
// elsewhere has the subjects of reports on its stream, and syncs as it is told.

// mostReceived bounds the reports that wait in memory. A publisher whose report
// does not fit gets no answer and sends it again.
const mostReceived = 256

// reception takes the reports of other schedulers.
type reception struct {
	bus     *Bus
	sub     *nats.Subscription
	reports chan *nats.Msg
	quit    chan struct{}
	done    sync.WaitGroup
}

// receive begins to take reports; the streams are there.
func (b *Bus) receive() (*reception, error) {
	r := &reception{bus: b, reports: make(chan *nats.Msg, mostReceived), quit: make(chan struct{})}
	var err error
	if r.sub, err = b.conn.ChanQueueSubscribe(ReportPrefix+">", "redrive", r.reports); err != nil {
		return nil, errs.New(errs.Unavailable, "take the reports of other schedulers: %w", err)
	}
	// Who reports as soon as this returns is heard.
	if err := b.conn.FlushTimeout(callTimeout); err != nil {
		return nil, errs.New(errs.Unavailable, "take the reports of other schedulers: %w", err)
	}
	r.done.Go(r.run)
	return r, nil
}

// close ends the reception. Reports that are not confirmed are sent again by
// those who made them.
func (r *reception) close() {
	_ = r.sub.Unsubscribe() // fails only without a connection, and then nothing comes
	close(r.quit)
	r.done.Wait()
}

// run takes what is there, all at once, until the reception is closed.
func (r *reception) run() {
	for {
		var all []*nats.Msg
		select {
		case <-r.quit:
			return
		case m := <-r.reports:
			all = append(all, m)
		}
		for more := true; more && len(all) < mostReceived; {
			select {
			case m := <-r.reports:
				all = append(all, m)
			default:
				more = false
			}
		}
		r.accept(all)
	}
}

// accept stores the reports, syncs, and confirms.
func (r *reception) accept(reports []*nats.Msg) {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	type stored struct {
		reply  string
		future jetstream.PubAckFuture
	}
	var all []stored
	for _, m := range reports {
		f, err := r.bus.js.PublishMsgAsync(received(m), jetstream.WithStallWait(publishTimeout))
		if err != nil {
			r.refuse(m.Reply, err)
			continue
		}
		all = append(all, stored{m.Reply, f})
	}
	answers := make([]any, len(all))
	for i, s := range all {
		select {
		case ack := <-s.future.Ok():
			answers[i] = ack
		case err := <-s.future.Err():
			answers[i] = refusal(err)
		case <-ctx.Done():
			answers[i] = refusal(ctx.Err())
		}
	}
	if err := r.bus.Sync(ctx); err != nil {
		r.bus.log.Error("reports of other schedulers cannot be synced, they are not confirmed", "reports", len(all), "err", err)
		for _, s := range all {
			r.refuse(s.reply, err)
		}
		return
	}
	for i, s := range all {
		r.answer(s.reply, answers[i])
	}
}

// received is a report as it is kept: with the headers of the event, and the
// one that drops a repetition.
func received(m *nats.Msg) *nats.Msg {
	kept := nats.NewMsg(receivedPrefix + string(typeOf(m.Subject)))
	kept.Data = m.Data
	copyHeaders(kept.Header, m.Header)
	if id := m.Header.Get(headerMessageID); id != "" {
		kept.Header.Set(headerMessageID, id)
	}
	return kept
}

// apiAnswer is the server's own form of an answer that is an error.
type apiAnswer struct {
	Error *jetstream.APIError `json:"error"`
}

// refusal is an answer that says why a report is not stored.
func refusal(err error) apiAnswer {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return apiAnswer{api}
	}
	return apiAnswer{&jetstream.APIError{Code: 503, Description: "the report cannot be stored now: " + err.Error()}}
}

func (r *reception) refuse(reply string, err error) { r.answer(reply, refusal(err)) }

// answer answers the one who reported, if an answer is wanted.
func (r *reception) answer(reply string, answer any) {
	if reply == "" {
		return
	}
	text, err := json.Marshal(answer)
	if err == nil {
		err = r.bus.conn.Publish(reply, text)
	}
	if err != nil {
		r.bus.log.Debug("a report could not be answered", "err", err)
	}
}
