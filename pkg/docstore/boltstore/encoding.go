package boltstore

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// The file has these top-level buckets:
//
//	"m"                          "format" → version of this layout
//	"d" kind                     id → record
//	"x" uvarint(len kind) kind index
//	                             index key → nothing
//
// A record is uvarint revision, uvarint number of entries, per entry its name
// and value with their lengths before them, and the document's value. The
// entries are kept because replacing a document must find its old index keys.
//
// An index key is the index value with every 0x00 written as 0x00 0xFF, then
// 0x00 0x01, then the id. So keys sort by value as bytes and then by id: where
// one value ends and a longer one goes on, 0x00 0x01 stands against either a
// byte above 0x00 or 0x00 0xFF, and is less than both.

var (
	metaBucket = []byte("m")
	formatKey  = []byte("format")
)

func docBucket(kind string) []byte { return append([]byte{'d'}, kind...) }

func indexBucket(kind, index string) []byte {
	b := make([]byte, 0, len(kind)+len(index)+3)
	b = append(b, 'x')
	b = binary.AppendUvarint(b, uint64(len(kind)))
	b = append(b, kind...)
	return append(b, index...)
}

// valueKey is the part of an index key before the id.
func valueKey(value string) []byte {
	b := make([]byte, 0, len(value)+8)
	for {
		i := strings.IndexByte(value, 0)
		if i < 0 {
			b = append(b, value...)
			return append(b, 0, 1)
		}
		b = append(b, value[:i]...)
		b = append(b, 0, 0xFF)
		value = value[i+1:]
	}
}

func indexKey(value, id string) []byte { return append(valueKey(value), id...) }

// idOfIndexKey reports false when key is no index key.
func idOfIndexKey(key []byte) ([]byte, bool) {
	for at := 0; ; {
		i := bytes.IndexByte(key[at:], 0)
		if i < 0 || at+i+1 >= len(key) {
			return nil, false
		}
		at += i + 2
		switch key[at-1] {
		case 1:
			return key[at:], len(key) > at
		case 0xFF:
		default:
			return nil, false
		}
	}
}

// record is a stored document. value is the file's memory: copy it before the
// transaction ends.
type record struct {
	revision int64
	entries  []docstore.Entry
	value    []byte
}

func (r record) encode() []byte {
	size := len(r.value) + 2*binary.MaxVarintLen64
	for _, e := range r.entries {
		size += len(e.Name) + len(e.Value) + 2*binary.MaxVarintLen16
	}
	b := make([]byte, 0, size)
	b = binary.AppendUvarint(b, uint64(r.revision))
	b = binary.AppendUvarint(b, uint64(len(r.entries)))
	for _, e := range r.entries {
		b = binary.AppendUvarint(b, uint64(len(e.Name)))
		b = append(b, e.Name...)
		b = binary.AppendUvarint(b, uint64(len(e.Value)))
		b = append(b, e.Value...)
	}
	return append(b, r.value...)
}

// decodeRecord reads a record; the entries only when they are wanted.
func decodeRecord(b []byte, wantEntries bool) (record, error) {
	d := decoder{rest: b}
	r := record{revision: int64(d.number())}
	n := d.number()
	if n > docstore.MaxEntries {
		d.bad = true
	}
	if wantEntries && !d.bad {
		r.entries = make([]docstore.Entry, 0, n)
	}
	for i := uint64(0); i < n && !d.bad; i++ {
		name, value := d.text(), d.text()
		if wantEntries {
			r.entries = append(r.entries, docstore.Entry{Name: string(name), Value: string(value)})
		}
	}
	if d.bad || r.revision < 1 {
		return record{}, errs.New(errs.Internal, "a stored record of %d bytes is damaged", len(b))
	}
	r.value = d.rest
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
