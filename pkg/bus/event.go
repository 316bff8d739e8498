package bus

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Content types of event payloads.
const (
	ContentProto = "application/protobuf"
	ContentJSON  = "application/json"
)

// MaxData bounds Event.Data, in bytes.
const MaxData = 1 << 20

// maxAttribute bounds every text attribute of an event, in bytes.
const maxAttribute = 512

// Event is one CloudEvent. ID and Source together name what happened: the same
// pair told twice is the same event.
type Event struct {
	ID      string
	Source  string // "redrive/<service>", or another scheduler's name
	Type    Type
	Subject string // the job: "jobs/{job}"; may be empty
	// Emission is 0 for the first time that the event is sent and counts the
	// deliberate repetitions. The stream drops the same event of the same
	// emission for DuplicateWindow.
	Emission int
	Time     time.Time
	// ContentType says how Data is to be read: ContentProto or ContentJSON.
	ContentType string
	Data        []byte
	// TraceParent is the W3C trace context, passed through; may be empty.
	TraceParent string
	// Delivery counts the deliveries of this message to its consumer, from 1;
	// 0 for an event that was not delivered.
	Delivery int
}

// NewEvent returns an event with a protobuf payload.
func NewEvent(t Type, id, source, subject string, now time.Time, m proto.Message) (Event, error) {
	data, err := proto.Marshal(m)
	if err != nil {
		return Event{}, errs.New(errs.Internal, "encode event %s %q: %w", t, id, err)
	}
	e := Event{ID: id, Source: source, Type: t, Subject: subject, Time: now, ContentType: ContentProto, Data: data}
	return e, e.Validate()
}

// Validate is errs.Invalid when the event could never be published.
func (e Event) Validate() error {
	text := func(field, s string, required bool) error {
		switch {
		case required && s == "":
			return errs.Field(field, "is required")
		case len(s) > maxAttribute:
			return errs.Field(field, "has %d bytes; at most %d are allowed", len(s), maxAttribute)
		case !utf8.ValidString(s):
			return errs.Field(field, "is not UTF-8")
		}
		return nil
	}
	return errs.Fields(
		text("id", e.ID, true), text("source", e.Source, true), text("subject", e.Subject, false), text("traceparent", e.TraceParent, false),
		e.validateType(), e.validateRest(),
	)
}

func (e Event) validateType() error {
	if slices.Contains(Types, e.Type) {
		return nil
	}
	return errs.Field("type", "%q is not one of the event types", e.Type)
}

func (e Event) validateRest() error {
	switch {
	case len(e.Data) > MaxData:
		return errs.Field("data", "has %d bytes; at most %d are allowed", len(e.Data), MaxData)
	case mediaType(e.ContentType) != ContentProto && mediaType(e.ContentType) != ContentJSON:
		return errs.Field("content-type", "%q is neither %s nor %s", e.ContentType, ContentProto, ContentJSON)
	case e.Emission < 0:
		return errs.Field("emission", "%d is negative", e.Emission)
	case e.Time.IsZero():
		return errs.Field("time", "is required")
	}
	return nil
}

// Decode reads the payload into m. JSON fields that m does not have are
// ignored, so that a newer publisher may add some; anything else that is wrong
// is errs.Invalid.
func (e Event) Decode(m proto.Message) error {
	var err error
	switch mediaType(e.ContentType) {
	case ContentProto:
		err = proto.Unmarshal(e.Data, m)
	case ContentJSON:
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(e.Data, m)
	default:
		return errs.New(errs.Invalid, "event %s %q: content type %q is neither %s nor %s", e.Type, e.ID, e.ContentType, ContentProto, ContentJSON)
	}
	if err != nil {
		return errs.New(errs.Invalid, "event %s %q: payload is not a %s: %w", e.Type, e.ID, m.ProtoReflect().Descriptor().Name(), err)
	}
	return nil
}

// mediaType is the content type without its parameters.
func mediaType(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(kind))
}
