package parquet

import "encoding/binary"

// The metadata is in Thrift's compact protocol. The numbers of members and of
// enumerations are those of parquet.thrift.

const (
	plain        = 0
	rle          = 3
	uncompressed = 0
	dataPage     = 0
	required     = 0
)

func pageHeader(rows, size int) []byte {
	var s thrift
	s.integer(1, dataPage)
	s.integer(2, int64(size)) // without compression and with
	s.integer(3, int64(size))
	var h thrift
	h.integer(1, int64(rows))
	h.integer(2, plain)
	h.integer(3, rle)
	h.integer(4, rle)
	s.structure(5, h)
	return s.end()
}

func (w *Writer) footer() []byte {
	root := thrift{}
	root.text(4, "rows")
	root.integer(5, int64(len(w.columns)))
	schema := [][]byte{root.end()}
	for _, c := range w.columns {
		var s thrift
		s.integer(1, types[c.Kind].physical)
		s.integer(3, required)
		s.text(4, c.Name)
		if converted := types[c.Kind].converted; converted != none {
			s.integer(6, converted)
		}
		schema = append(schema, s.end())
	}
	var rows int64
	groups := make([][]byte, 0, len(w.groups))
	for _, g := range w.groups {
		rows += g.rows
		groups = append(groups, w.rowGroup(g))
	}
	var s thrift
	s.integer(1, 1)
	s.structures(2, schema)
	s.long(3, rows)
	s.structures(4, groups)
	s.text(6, "redrive")
	return s.end()
}

func (w *Writer) rowGroup(g group) []byte {
	var size int64
	chunks := make([][]byte, len(g.chunks))
	for i, c := range g.chunks {
		size += c.size
		var m thrift
		m.integer(1, types[w.columns[i].Kind].physical)
		m.integers(2, plain, rle)
		m.texts(3, w.columns[i].Name)
		m.integer(4, uncompressed)
		m.long(5, g.rows)
		m.long(6, c.size)
		m.long(7, c.size)
		m.long(9, c.offset)
		var s thrift
		s.long(2, c.offset)
		s.structure(3, m)
		chunks[i] = s.end()
	}
	var s thrift
	s.structures(1, chunks)
	s.long(2, size)
	s.long(3, g.rows)
	return s.end()
}

// thrift is a structure that is being written. Its members are added in the
// order of their numbers.
type thrift struct {
	bytes []byte
	last  int
}

// The types of members.
const (
	typeI32    = 5
	typeI64    = 6
	typeBinary = 8
	typeList   = 9
	typeStruct = 12
)

func (t *thrift) member(number, kind int) {
	t.bytes = append(t.bytes, byte((number-t.last)<<4|kind))
	t.last = number
}

func (t *thrift) integer(number int, v int64) {
	t.member(number, typeI32)
	t.bytes = binary.AppendVarint(t.bytes, v)
}

func (t *thrift) long(number int, v int64) {
	t.member(number, typeI64)
	t.bytes = binary.AppendVarint(t.bytes, v)
}

func (t *thrift) text(number int, s string) {
	t.member(number, typeBinary)
	t.string(s)
}

func (t *thrift) string(s string) {
	t.bytes = append(binary.AppendUvarint(t.bytes, uint64(len(s))), s...)
}

func (t *thrift) structure(number int, s thrift) {
	t.member(number, typeStruct)
	t.bytes = append(t.bytes, s.end()...)
}

func (t *thrift) list(number, size, kind int) {
	t.member(number, typeList)
	if size < 15 {
		t.bytes = append(t.bytes, byte(size<<4|kind))
		return
	}
	t.bytes = binary.AppendUvarint(append(t.bytes, byte(0xf0|kind)), uint64(size))
}

func (t *thrift) structures(number int, all [][]byte) {
	t.list(number, len(all), typeStruct)
	for _, s := range all {
		t.bytes = append(t.bytes, s...)
	}
}

func (t *thrift) integers(number int, all ...int64) {
	t.list(number, len(all), typeI32)
	for _, v := range all {
		t.bytes = binary.AppendVarint(t.bytes, v)
	}
}

func (t *thrift) texts(number int, all ...string) {
	t.list(number, len(all), typeBinary)
	for _, s := range all {
		t.string(s)
	}
}

func (t *thrift) end() []byte { return append(t.bytes, 0) }
