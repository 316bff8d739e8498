package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Headers of a dead letter, beside those of the event.
const (
	headerDeadReason     = "redrive-reason"
	headerDeadSubject    = "redrive-subject"
	headerDeadDeliveries = "redrive-deliveries"
	headerDeadSequence   = "redrive-sequence" // in the stream that the event came from
	maxReason            = 1000
	maxDeadLetters       = 1000
)

// DeadLetter is an event that a consumer gave up.
type DeadLetter struct {
	Sequence   uint64 // names the dead letter for Reemit
	Consumer   string
	Reason     string
	Subject    string // the NATS subject that the event came by
	Deliveries int
	Time       time.Time // when it was given up
	// Event is the event as far as it could be read.
	Event Event
}

// bury stores a message as a dead letter of a consumer.
func (b *Bus) bury(msg *nats.Msg, meta *nats.MsgMetadata, consumer string, reason error) error {
	m := nats.NewMsg(DeadPrefix + consumer)
	m.Data = msg.Data
	copyHeaders(m.Header, msg.Header)
	text := reason.Error()
	m.Header.Set(headerDeadReason, percentEncode(strings.ToValidUTF8(text[:min(len(text), maxReason)], "")))
	m.Header.Set(headerDeadSubject, percentEncode(msg.Subject))
	m.Header.Set(headerDeadDeliveries, strconv.FormatUint(meta.NumDelivered, 10))
	m.Header.Set(headerDeadSequence, strconv.FormatUint(meta.Sequence.Stream, 10))
	// The same delivery buried twice is one dead letter.
	m.Header.Set(headerMessageID, fmt.Sprintf("%s/%d/%d", consumer, meta.Sequence.Stream, meta.Timestamp.UnixNano()))
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if _, err := b.js.PublishMsg(ctx, m); err != nil {
		return callError(err, "store dead letter of %s", consumer)
	}
	return b.Sync(ctx)
}

// copyHeaders copies the headers of events. Others could mean something to the
// server, or to the client library that reads the dead letter.
func copyHeaders(to, from nats.Header) {
	for name, values := range from {
		if isEventHeader(strings.ToLower(name)) {
			to[name] = values
		}
	}
}

// DeadLetter returns the dead letter with this sequence, or errs.NotFound.
func (b *Bus) DeadLetter(ctx context.Context, sequence uint64) (DeadLetter, error) {
	stream, _, err := b.deadLetterStream(ctx)
	if err != nil {
		return DeadLetter{}, err
	}
	raw, err := getMessage(ctx, stream, sequence)
	if err != nil {
		return DeadLetter{}, err
	}
	return deadLetterOf(raw), nil
}

// DeadLetters returns the newest dead letters of a sequence below before, of all
// when it is 0, newest first, at most limit and at most 1000.
func (b *Bus) DeadLetters(ctx context.Context, before uint64, limit int) ([]DeadLetter, error) {
	if limit < 1 {
		return nil, errs.Field("limit", "%d is not between 1 and %d", limit, maxDeadLetters)
	}
	limit = min(limit, maxDeadLetters)
	stream, info, err := b.deadLetterStream(ctx)
	if err != nil {
		return nil, err
	}
	last := info.State.LastSeq
	if before > 0 {
		last = min(last, before-1)
	}
	var all []DeadLetter
	for seq := last; seq >= max(info.State.FirstSeq, 1) && len(all) < limit; seq-- {
		if _, gone := slices.BinarySearch(info.State.Deleted, seq); gone {
			continue
		}
		raw, err := getMessage(ctx, stream, seq)
		switch {
		case errs.Is(err, errs.NotFound): // removed meanwhile
		case err != nil:
			return nil, err
		default:
			all = append(all, deadLetterOf(raw))
		}
	}
	return all, nil
}

// Reemit publishes a dead letter's event again, as a new emission and to all
// consumers of its type, and removes the dead letter. It is errs.NotFound when
// there is no dead letter with this sequence.
func (b *Bus) Reemit(ctx context.Context, sequence uint64) error {
	stream, _, err := b.deadLetterStream(ctx)
	if err != nil {
		return err
	}
	raw, err := getMessage(ctx, stream, sequence)
	if err != nil {
		return err
	}
	letter := deadLetterOf(raw)
	if typeOf(letter.Subject) == Type(letter.Subject) {
		return errs.New(errs.FailedPrecondition, "dead letter %d came by %q, which is no subject of events", sequence, letter.Subject)
	}
	m := nats.NewMsg(letter.Subject)
	m.Data = raw.Data
	copyHeaders(m.Header, raw.Header)
	for name := range m.Header {
		if strings.EqualFold(name, headerEmission) {
			delete(m.Header, name)
		}
	}
	m.Header.Set(headerEmission, strconv.Itoa(letter.Event.Emission+1))
	// Asked twice, it is sent once.
	m.Header.Set(headerMessageID, fmt.Sprintf("reemit/%d/%d", sequence, raw.Time.UnixNano()))
	call, cancel := callContext(ctx)
	defer cancel()
	if _, err := b.js.PublishMsg(call, m); err != nil {
		return callError(err, "publish dead letter %d again", sequence)
	}
	if err := b.Sync(call); err != nil {
		return err
	}
	if err := stream.DeleteMsg(call, sequence); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return callError(err, "remove dead letter %d, which was published again", sequence)
	}
	return nil
}

func (b *Bus) deadLetterStream(ctx context.Context) (jetstream.Stream, *jetstream.StreamInfo, error) {
	call, cancel := callContext(ctx)
	defer cancel()
	stream, err := b.js.Stream(call, DeadLetterStream)
	if err != nil {
		return nil, nil, callError(err, "read stream %s", DeadLetterStream)
	}
	info, err := stream.Info(call, jetstream.WithDeletedDetails(true))
	if err != nil {
		return nil, nil, callError(err, "read stream %s", DeadLetterStream)
	}
	slices.Sort(info.State.Deleted)
	return stream, info, nil
}

func getMessage(ctx context.Context, stream jetstream.Stream, sequence uint64) (*jetstream.RawStreamMsg, error) {
	if sequence == 0 {
		return nil, errs.New(errs.NotFound, "dead letter 0 does not exist")
	}
	call, cancel := callContext(ctx)
	defer cancel()
	raw, err := stream.GetMsg(call, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, errs.New(errs.NotFound, "dead letter %d does not exist", sequence)
	}
	if err != nil {
		return nil, callError(err, "read dead letter %d", sequence)
	}
	return raw, nil
}

func deadLetterOf(raw *jetstream.RawStreamMsg) DeadLetter {
	text := func(name string) string {
		value, ok := percentDecode(raw.Header.Get(name))
		if !ok {
			return raw.Header.Get(name)
		}
		return value
	}
	d := DeadLetter{
		Sequence: raw.Sequence,
		Consumer: strings.TrimPrefix(raw.Subject, DeadPrefix),
		Reason:   text(headerDeadReason),
		Subject:  text(headerDeadSubject),
		Time:     raw.Time,
	}
	d.Deliveries, _ = strconv.Atoi(raw.Header.Get(headerDeadDeliveries))
	// What cannot be read is why some of them are here.
	d.Event, _ = eventOf(d.Subject, raw.Header, raw.Data, raw.Time)
	return d
}
