// Package parquet writes flat tables in the Apache Parquet format: required
// columns, plain encoding, no compression. It is what a program needs that hands
// over rows to others; it reads nothing.
// https://parquet.apache.org/docs/file-format/ has the format.
package parquet

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Kind is what the values of a column are.
type Kind int

// The kinds.
const (
	String  Kind = iota
	Int          // of 64 bits
	Double       // of 64 bits
	Boolean      //
	Time         // microseconds since 1970, UTC
)

// physical and converted types of the format; none is no converted type.
const none = -1

var types = map[Kind]struct{ physical, converted int64 }{
	String: {6, 0}, Int: {2, none}, Double: {5, none}, Boolean: {0, none}, Time: {2, 10},
}

// Column is one column of a table.
type Column struct {
	Name string
	Kind Kind
}

// groupRows is how many rows are in memory before they are written.
const groupRows = 10_000

const magic = "PAR1"

// Writer writes one table. Close must be called for the table to be readable.
type Writer struct {
	out     io.Writer
	columns []Column
	values  [][]byte // of the rows that are not written yet, by column
	bits    []int    // of the booleans among them
	rows    int
	written int64
	groups  []group
	err     error // the first one: nothing is written after it
}

type group struct {
	rows   int64
	chunks []chunk
}

type chunk struct{ offset, size int64 }

// NewWriter returns a writer of a table.
func NewWriter(out io.Writer, columns []Column) *Writer {
	w := &Writer{out: out, columns: columns, values: make([][]byte, len(columns)), bits: make([]int, len(columns))}
	w.write([]byte(magic))
	return w
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.out.Write(b)
	w.written += int64(n)
	w.err = err
}

// Write adds a row: a string, an int64, a float64 or a bool for each column, and
// an int64 for a time. It panics when a value is of another type.
func (w *Writer) Write(row []any) error {
	for i, value := range row {
		switch v := value.(type) {
		case string:
			w.values[i] = append(binary.LittleEndian.AppendUint32(w.values[i], uint32(len(v))), v...)
		case int64:
			w.values[i] = binary.LittleEndian.AppendUint64(w.values[i], uint64(v))
		case float64:
			w.values[i] = binary.LittleEndian.AppendUint64(w.values[i], math.Float64bits(v))
		case bool:
			w.boolean(i, v)
		default:
			panic(fmt.Sprintf("parquet: a %T in column %s", value, w.columns[i].Name))
		}
	}
	if w.rows++; w.rows == groupRows {
		w.flush()
	}
	return w.err
}

// boolean adds one bit; the first is the lowest of its byte.
func (w *Writer) boolean(i int, v bool) {
	if w.bits[i]%8 == 0 {
		w.values[i] = append(w.values[i], 0)
	}
	if v {
		w.values[i][len(w.values[i])-1] |= 1 << (w.bits[i] % 8)
	}
	w.bits[i]++
}

// flush writes the rows in memory as a row group: one page for each column.
func (w *Writer) flush() {
	if w.rows == 0 {
		return
	}
	g := group{rows: int64(w.rows)}
	for i, values := range w.values {
		offset := w.written
		w.write(pageHeader(w.rows, len(values)))
		w.write(values)
		g.chunks = append(g.chunks, chunk{offset, w.written - offset})
		w.values[i], w.bits[i] = values[:0], 0
	}
	w.groups = append(w.groups, g)
	w.rows = 0
}

// Close writes what is left. It does not close what is written to.
func (w *Writer) Close() error {
	w.flush()
	footer := w.footer()
	w.write(footer)
	w.write(binary.LittleEndian.AppendUint32(nil, uint32(len(footer))))
	w.write([]byte(magic))
	return w.err
}
