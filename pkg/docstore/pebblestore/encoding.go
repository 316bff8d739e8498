package pebblestore

import "encoding/binary"

// The keys:
//
//	"d" uvarint(len kind) kind id                 → record
//	"m" "format"                                  → version of this layout
//	"x" uvarint(len kind) kind
//	    uvarint(len index) index index key        → nothing
//
// Records and index keys are those of package driver. What follows a prefix
// whose lengths are told sorts by itself, so the documents of a kind and the
// entries of an index are next to each other and in order.

const layout = "1"

var layoutKey = []byte("mformat")

// docPrefix is what the keys of all documents of a kind begin with.
func docPrefix(kind string, room int) []byte {
	return named(make([]byte, 0, len(kind)+3+room), 'd', kind)
}

// docKey is the key of a document.
func docKey(kind, id string) []byte { return append(docPrefix(kind, len(id)), id...) }

// indexPrefix is what the keys of all entries of an index begin with.
func indexPrefix(kind, index string, room int) []byte {
	return named(named(make([]byte, 0, len(kind)+len(index)+6+room), 'x', kind), 0, index)
}

// named appends a letter, unless it is 0, and a name with its length before it.
func named(b []byte, letter byte, name string) []byte {
	if letter != 0 {
		b = append(b, letter)
	}
	b = binary.AppendUvarint(b, uint64(len(name)))
	return append(b, name...)
}

// after returns the least key that is greater than all that begin with prefix,
// which has a byte below 0xFF.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
