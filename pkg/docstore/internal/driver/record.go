package driver

import (
	"encoding/binary"
	"math/bits"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// Record is a stored document. After DecodeRecord, Value is a part of what was
// decoded.
type Record struct {
	Revision int64
	Entries  []docstore.Entry
	Value    []byte
}

// Encode returns the stored bytes.
func (r Record) Encode() []byte { return r.AppendTo(make([]byte, 0, r.Size())) }

// AppendTo appends the stored bytes, Size of them.
func (r Record) AppendTo(b []byte) []byte {
	return r.appendRest(binary.AppendUvarint(b, uint64(r.Revision)))
}

// EncodeRest returns the stored bytes without the revision before them.
func (r Record) EncodeRest() []byte { return r.appendRest(make([]byte, 0, r.Size())) }

// Size is the number of the stored bytes.
func (r Record) Size() int {
	size := uvarintSize(uint64(r.Revision)) + uvarintSize(uint64(len(r.Entries))) + len(r.Value)
	for _, e := range r.Entries {
		size += uvarintSize(uint64(len(e.Name))) + len(e.Name) + uvarintSize(uint64(len(e.Value))) + len(e.Value)
	}
	return size
}

// uvarintSize is the number of bytes that AppendUvarint appends: one for every
// seven bits.
func uvarintSize(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

func (r Record) appendRest(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(r.Entries)))
	for _, e := range r.Entries {
		b = binary.AppendUvarint(b, uint64(len(e.Name)))
		b = append(b, e.Name...)
		b = binary.AppendUvarint(b, uint64(len(e.Value)))
		b = append(b, e.Value...)
	}
	return append(b, r.Value...)
}

// DecodeRecord reads a record; the entries only when they are wanted.
func DecodeRecord(b []byte, wantEntries bool) (Record, error) {
	d := decoder{rest: b}
	r := Record{Revision: int64(d.number())}
	n := d.number()
	if n > docstore.MaxEntries {
		d.bad = true
	}
	if wantEntries && !d.bad {
		r.Entries = make([]docstore.Entry, 0, n)
	}
	for i := uint64(0); i < n && !d.bad; i++ {
		name, value := d.text(), d.text()
		if wantEntries {
			r.Entries = append(r.Entries, docstore.Entry{Name: string(name), Value: string(value)})
		}
	}
	if d.bad || r.Revision < 1 {
		return Record{}, errs.New(errs.Internal, "a stored record of %d bytes is damaged", len(b))
	}
	r.Value = d.rest
	return r, nil
}

type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || d.bad {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) text() []byte {
	n := d.number()
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	text := d.rest[:n]
	d.rest = d.rest[n:]
	return text
}
