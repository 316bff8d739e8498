package bus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/errs"
)

// A server that syncs every message makes as many fsyncs for an atomic batch as
// for a few messages outside of one. Below leastBatch messages the batch's own
// files cost more than that, and so they do always on a server that syncs by
// the clock. The server takes at most 1000 messages in one batch.
const (
	leastBatch = 8
	mostBatch  = 1000
)

// Headers of an atomic batch.
const (
	headerBatchID       = "Nats-Batch-Id"
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit"
)

// syncs reports whether the server is one in this process that syncs every
// message.
func (b *Bus) syncs() bool {
	s, ok := b.config.InProcess.(interface{ SyncsAlways() bool })
	return ok && s.SyncsAlways()
}

// publishBatch publishes all events or none, and waits until they are durable.
// The server refuses a batch in which it knows one of the events already; what
// is refused can be published one by one.
func (b *Bus) publishBatch(ctx context.Context, events []Event) error {
	id := rand.Text()
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	for i, e := range events {
		m := e.message()
		m.Header[headerBatchID] = []string{id}
		m.Header[headerBatchSequence] = []string{strconv.Itoa(i + 1)}
		if i < len(events)-1 {
			if err := b.conn.PublishMsg(m); err != nil {
				return errs.New(errs.Unavailable, "publish %s %q in a batch: %w", e.Type, e.ID, err)
			}
			continue
		}
		m.Header[headerBatchCommit] = []string{"1"}
		reply, err := b.conn.RequestMsgWithContext(ctx, m)
		if err != nil {
			return errs.New(errs.Unavailable, "publish a batch of %d: %w", len(events), err)
		}
		return checkBatch(reply.Data, len(events))
	}
	return nil
}

// checkBatch reads the server's answer. A server that knows nothing of batches
// answers for the last message alone.
func checkBatch(answer []byte, want int) error {
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		Count int                 `json:"count"`
	}
	if err := json.Unmarshal(answer, &ack); err != nil {
		return errs.New(errs.Unavailable, "publish a batch of %d: the answer is no JSON: %w", want, err)
	}
	if ack.Error != nil {
		return errs.New(errs.Unavailable, "publish a batch of %d: %w", want, ack.Error)
	}
	if ack.Count != want {
		return errs.New(errs.Unavailable, "publish a batch of %d: the server confirms %d", want, ack.Count)
	}
	return nil
}
