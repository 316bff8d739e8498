package redisstore

import (
	"strconv"

	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
)

// Behind the prefix of the store, these are the keys:
//
//	format                    version of this layout
//	d:LENGTH:KIND:ID          record of a document
//	i:LENGTH:KIND             sorted set of the ids of a kind
//	x:LENGTH:KIND:INDEX       sorted set of the index keys of an index
//
// LENGTH is that of KIND, so that no two differ only in where one part ends. All
// scores are 0: members are in the order of their bytes. Records and index keys
// are those of package driver.

const (
	format    = "1"
	formatKey = "format"
)

func (s *Store) kindKey(class, kind string) string {
	return s.prefix + class + ":" + strconv.Itoa(len(kind)) + ":" + kind
}

// docPrefix is the key of a document without its id.
func (s *Store) docPrefix(kind string) string { return s.kindKey("d", kind) + ":" }

func (s *Store) docKey(kind, id string) string { return s.docPrefix(kind) + id }

func (s *Store) idsKey(kind string) string { return s.kindKey("i", kind) }

// indexPrefix is the key of an index without its name.
func (s *Store) indexPrefix(kind string) string { return s.kindKey("x", kind) + ":" }

// lexBounds writes a window as ZRANGE BYLEX and ZLEXCOUNT take it.
func lexBounds(w driver.Window) (low, high string) {
	low, high = "-", "+"
	if w.Low != nil {
		low = "[" + string(w.Low)
	}
	if w.High != nil {
		high = "(" + string(w.High)
	}
	return low, high
}
