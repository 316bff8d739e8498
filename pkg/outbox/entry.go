package outbox

import (
	"encoding/binary"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
)

// An entry is the number of its layout, the emission, the time in nanoseconds,
// the event's texts with their lengths before them, and the payload.
const layout = 1

func encode(e bus.Event) []byte {
	texts := []string{e.ID, e.Source, string(e.Type), e.Subject, e.ContentType, e.TraceParent}
	size := len(e.Data) + 3*binary.MaxVarintLen64
	for _, s := range texts {
		size += len(s) + binary.MaxVarintLen16
	}
	b := make([]byte, 0, size)
	b = binary.AppendUvarint(b, layout)
	b = binary.AppendUvarint(b, uint64(e.Emission))
	b = binary.AppendVarint(b, e.Time.UnixNano())
	for _, s := range texts {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, e.Data...)
}

// decode is errs.Internal for what encode did not write.
func decode(b []byte) (bus.Event, error) {
	bad := errs.New(errs.Internal, "an outbox entry of %d bytes is damaged", len(b))
	version, n := binary.Uvarint(b)
	if n <= 0 || version != layout {
		return bus.Event{}, errs.New(errs.Internal, "an outbox entry has layout %d; this redrive reads layout %d", version, layout)
	}
	b = b[n:]
	emission, n := binary.Uvarint(b)
	if n <= 0 || emission > 1<<31 {
		return bus.Event{}, bad
	}
	b = b[n:]
	nanoseconds, n := binary.Varint(b)
	if n <= 0 {
		return bus.Event{}, bad
	}
	b = b[n:]
	var texts [6]string
	for i := range texts {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return bus.Event{}, bad
		}
		texts[i] = string(b[n : n+int(size)])
		b = b[n+int(size):]
	}
	return bus.Event{
		ID: texts[0], Source: texts[1], Type: bus.Type(texts[2]), Subject: texts[3], ContentType: texts[4], TraceParent: texts[5],
		Emission: int(emission), Time: time.Unix(0, nanoseconds).UTC(), Data: b,
	}, nil
}
