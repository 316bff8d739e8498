package boltstore

import "encoding/binary"

// The file has these top-level buckets:
//
//	"m"                          "format" → version of this layout
//	"d" kind                     id → record
//	"x" uvarint(len kind) kind index
//	                             index key → nothing
//
// Records and index keys are those of package driver.

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
