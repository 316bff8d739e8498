package wire

import (
	"strconv"
	"strings"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// deadLetters is the collection in the names of dead letters.
const deadLetters = "deadLetters/"

// ParseDeadLetter returns the number in the name of a dead letter; field is the
// name of the name in the request.
func ParseDeadLetter(field, name string) (uint64, error) {
	number, ok := strings.CutPrefix(name, deadLetters)
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil {
		return 0, errs.Field(field, "%.100q is not the name of a dead letter, such as deadLetters/7", name)
	}
	return n, nil
}

// DeadLetter encodes a dead letter, without its payload.
func DeadLetter(d bus.DeadLetter) *redrivev1.DeadLetter {
	return &redrivev1.DeadLetter{
		Name:     deadLetters + strconv.FormatUint(d.Sequence, 10),
		Consumer: d.Consumer, Reason: d.Reason, Deliveries: int32(min(d.Deliveries, 1<<30)), NatsSubject: d.Subject,
		CreateTime: wellknown.Timestamp(d.Time),
		EventId:    d.Event.ID, EventSource: d.Event.Source, EventType: string(d.Event.Type), EventSubject: d.Event.Subject,
		EventTime: wellknown.Timestamp(d.Event.Time), ContentType: d.Event.ContentType,
	}
}
