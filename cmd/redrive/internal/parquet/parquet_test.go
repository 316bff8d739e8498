package parquet_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/redrive-io/redrive/cmd/redrive/internal/parquet"
)

// table writes n rows, more than one group of them for n > 10,000.
func table(t *testing.T, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := parquet.NewWriter(&out, []parquet.Column{
		{"name", parquet.String}, {"count", parquet.Int}, {"share", parquet.Double}, {"odd", parquet.Boolean}, {"time", parquet.Time},
	})
	for i := range n {
		if err := w.Write([]any{fmt.Sprintf("row %d é", i), int64(-i), float64(i) / 3, i%2 == 1, int64(i) * 1e6}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The tables with these digests were read back, row by row, with parquet-go
// v0.32.0, a reader of others. PARQUET_OUT is a folder to write them to.
func TestTheFormatStaysWhatAnotherReaderRead(t *testing.T) {
	for n, want := range map[int]string{0: "f6e4347658e0add1", 3: "f1e21b25edbf7004", 25_000: "1072b17e5dbcc5a6"} {
		b := table(t, n)
		if folder := os.Getenv("PARQUET_OUT"); folder != "" {
			if err := os.WriteFile(fmt.Sprintf("%s/%d.parquet", folder, n), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		sum := sha256.Sum256(b)
		if got := hex.EncodeToString(sum[:8]); got != want {
			t.Errorf("%d rows: digest %s, want %s", n, got, want)
		}
		footer := binary.LittleEndian.Uint32(b[len(b)-8:])
		if string(b[:4]) != "PAR1" || string(b[len(b)-4:]) != "PAR1" || int(footer) > len(b)-12 {
			t.Errorf("%d rows: no table with a footer of %d bytes in %d", n, footer, len(b))
		}
	}
}

// full is a disk that is.
type full struct{ left int }

var errFull = errors.New("full")

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.left {
		return 0, errFull
	}
	f.left -= len(b)
	return len(b), nil
}

func TestAnErrorOfTheDiskIsTold(t *testing.T) {
	for _, left := range []int{0, 10, 60} {
		w := parquet.NewWriter(&full{left}, []parquet.Column{{"name", parquet.String}})
		_ = w.Write([]any{"a"}) // the last call says it
		if err := w.Close(); !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: %v", left, err)
		}
	}
}
