package bus

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/redrive-io/redrive/pkg/errs"
)

// The client library's consumers fetch ahead, so that events wait in this
// process with their ack wait running, and they stall for half a minute when
// the last event of a small request comes before the request is noted. A puller
// asks for no more events than there are free hands.

const (
	pullExpiry = 30 * time.Second
	// pullHeartbeat is how often the server says that it still knows a request.
	pullHeartbeat = 5 * time.Second
	// headerPending is on a status that ends a request: how many messages of it
	// did not come.
	headerPending = "Nats-Pending-Messages"
)

// puller asks one consumer for messages. It is used by one
// goroutine.
type puller struct {
	conn     *nats.Conn
	subject  string // that requests go to
	inbox    string // that messages come to
	sub      *nats.Subscription
	messages chan *nats.Msg // also statuses
	asked    int            // messages that may still come
	heard    time.Time      // when the server last said anything
}

// newPuller listens for at most hands messages at a time.
func newPuller(conn *nats.Conn, stream, consumer string, hands int) (*puller, error) {
	p := &puller{
		conn:    conn,
		subject: "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer,
		inbox:   conn.NewInbox(),
		// Each request may bring a heartbeat, too, before anybody looks.
		messages: make(chan *nats.Msg, 4*hands+64),
	}
	var err error
	if p.sub, err = conn.ChanSubscribe(p.inbox, p.messages); err != nil {
		return nil, errs.New(errs.Unavailable, "listen: %w", err)
	}
	return p, nil
}

// ask asks for n messages more.
func (p *puller) ask(n int, now time.Time) error {
	body, err := json.Marshal(map[string]any{"batch": n, "expires": pullExpiry, "idle_heartbeat": pullHeartbeat})
	if err != nil {
		return errs.New(errs.Internal, "write a pull request: %w", err)
	}
	if err := p.conn.PublishRequest(p.subject, p.inbox, body); err != nil {
		return errs.New(errs.Unavailable, "ask for events: %w", err)
	}
	if p.asked == 0 {
		p.heard = now
	}
	p.asked += n
	return nil
}

// read reports whether m is a message of the stream. Else it is a status; its
// error says that this consumer is of no use any more.
func (p *puller) read(m *nats.Msg, now time.Time) (isMessage bool, err error) {
	p.heard = now
	// An event of the stream can be answered, a status cannot; headers do not
	// tell, because a publisher may set any.
	if strings.HasPrefix(m.Reply, "$JS.ACK.") {
		p.asked = max(p.asked-1, 0)
		return true, nil
	}
	if pending, err := strconv.Atoi(m.Header.Get(headerPending)); err == nil {
		p.asked = max(p.asked-pending, 0)
		return false, nil
	}
	status := m.Header.Get("Status")
	if status == "100" {
		return false, nil
	}
	return false, errs.New(errs.Unavailable, "the server says %s %s", status, m.Header.Get("Description"))
}

// silent reports whether the server has forgotten what it was asked.
func (p *puller) silent(now time.Time) bool {
	return p.asked > 0 && now.Sub(p.heard) > 3*pullHeartbeat
}

// close ends the listening and returns what has come and was not read.
func (p *puller) close() []*nats.Msg {
	_ = p.sub.Unsubscribe() // fails only without a connection, and then there is nothing to end
	var left []*nats.Msg
	for {
		select {
		case m := <-p.messages:
			if isMessage, _ := p.read(m, time.Time{}); isMessage {
				left = append(left, m)
			}
		default:
			return left
		}
	}
}

// The answers to a delivery.

func (b *Bus) reply(m *nats.Msg, answer string) error {
	if err := b.conn.Publish(m.Reply, []byte(answer)); err != nil {
		return fmt.Errorf("answer a delivery: %w", err)
	}
	return nil
}

func (b *Bus) ack(m *nats.Msg) error      { return b.reply(m, "+ACK") }
func (b *Bus) progress(m *nats.Msg) error { return b.reply(m, "+WPI") }
func (b *Bus) term(m *nats.Msg) error     { return b.reply(m, "+TERM dead letter") }

func (b *Bus) nak(m *nats.Msg, delay time.Duration) error {
	if delay <= 0 {
		return b.reply(m, "-NAK")
	}
	return b.reply(m, fmt.Sprintf(`-NAK {"delay": %d}`, delay.Nanoseconds()))
}
