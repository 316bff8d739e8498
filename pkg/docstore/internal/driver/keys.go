// Package driver has what the drivers of docstore share: how documents and index
// keys are encoded, how a query becomes a range of keys, and what is measured.
//
// A record is uvarint revision, uvarint number of entries, per entry its name
// and value with their lengths before them, and the document's value. The
// entries are kept because replacing a document must find its old index keys.
//
// An index key is the index value with every 0x00 written as 0x00 0xFF, then
// 0x00 0x01, then the id. So keys sort by value as bytes and then by id: where
// one value ends and a longer one goes on, 0x00 0x01 stands against either a
// byte above 0x00 or 0x00 0xFF, and is less than both.
package driver

import (
	"bytes"
	"strings"
)

// ValueKey returns the part of an index key before the id.
func ValueKey(value string) []byte { return appendValueKey(make([]byte, 0, len(value)+8), value) }

// IndexKey returns the key of an entry with this value of the document id.
func IndexKey(value, id string) []byte {
	return AppendIndexKey(make([]byte, 0, len(value)+len(id)+8), value, id)
}

// AppendIndexKey appends the key of an entry with this value of the document id.
func AppendIndexKey(b []byte, value, id string) []byte {
	return append(appendValueKey(b, value), id...)
}

func appendValueKey(b []byte, value string) []byte {
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

// IDOfIndexKey returns the id in an index key. It reports false when key is no
// index key.
func IDOfIndexKey(key []byte) ([]byte, bool) {
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
