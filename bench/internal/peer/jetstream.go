package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/bench/internal/contest"
)

// startLimit is how long a server may take to start.
const startLimit = 10 * time.Second

// runJetStream retries by an embedded JetStream: a negative acknowledgement
// makes the next attempt, and before and after each attempt the job's state is
// compared and set in a key-value bucket. always syncs every write before it is
// confirmed; otherwise the server syncs every two minutes.
func runJetStream(ctx context.Context, o Options, always bool) (contest.Result, error) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: o.Dir, NoSigs: true, NoLog: true, SyncAlways: always,
	})
	if err != nil {
		return contest.Result{}, fmt.Errorf("start NATS: %w", err)
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(startLimit) {
		return contest.Result{}, errors.New("NATS is not ready in time")
	}
	conn, err := nats.Connect(s.ClientURL(), nats.InProcessServer(s))
	if err != nil {
		return contest.Result{}, fmt.Errorf("connect to NATS: %w", err)
	}
	defer conn.Close()
	q := &queue{jobs: newJobs(o.Open), revisions: make([]uint64, o.Open)}
	if err := q.prepare(ctx, conn); err != nil {
		return contest.Result{}, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	messages := make(chan jetstream.Msg, o.Open)
	for range o.Open {
		go func() {
			for {
				select {
				case m := <-messages:
					if err := q.attempt(ctx, m); err != nil {
						stop(err)
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	consuming, err := q.consumer.Consume(func(m jetstream.Msg) {
		select {
		case messages <- m:
		case <-ctx.Done():
		}
	}, jetstream.PullMaxMessages(4*o.Open))
	if err != nil {
		return contest.Result{}, fmt.Errorf("consume: %w", err)
	}
	defer consuming.Stop()
	for slot := range o.Open {
		if err := q.submit(ctx, slot); err != nil {
			return contest.Result{}, err
		}
	}
	return q.jobs.meter.Measure(ctx, o.Span)
}

// queue is the work queue of the jobs and the bucket of their states.
type queue struct {
	jobs      *jobs
	js        jetstream.JetStream
	consumer  jetstream.Consumer
	states    jetstream.KeyValue
	revisions []uint64 // of the state of the job in each slot
}

const jobSubject = "job.next"

func (q *queue) prepare(ctx context.Context, conn *nats.Conn) (err error) {
	if q.js, err = jetstream.New(conn); err != nil {
		return err
	}
	stream, err := q.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "JOBS", Subjects: []string{jobSubject}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return fmt.Errorf("make the queue: %w", err)
	}
	if q.consumer, err = stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 16 * len(q.revisions),
	}); err != nil {
		return fmt.Errorf("make the consumer: %w", err)
	}
	if q.states, err = q.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "STATES", Storage: jetstream.FileStorage}); err != nil {
		return fmt.Errorf("make the bucket: %w", err)
	}
	return nil
}

func (q *queue) submit(ctx context.Context, slot int) error {
	body := make([]byte, stateSize)
	binary.BigEndian.PutUint32(body, uint32(slot))
	if _, err := q.js.Publish(ctx, jobSubject, body); err != nil {
		return fmt.Errorf("publish a job: %w", err)
	}
	return nil
}

// attempt is one attempt, with the state kept before and after it.
func (q *queue) attempt(ctx context.Context, m jetstream.Msg) (err error) {
	slot := int(binary.BigEndian.Uint32(m.Data()))
	fails := q.jobs.start(slot)
	for range 2 {
		if q.revisions[slot], err = q.states.Update(ctx, strconv.Itoa(slot), m.Data(), q.revisions[slot]); err != nil {
			return fmt.Errorf("keep the state: %w", err)
		}
	}
	if fails {
		return m.Nak()
	}
	if err := m.Ack(); err != nil {
		return err
	}
	q.jobs.succeeded(slot)
	return q.submit(ctx, slot)
}
