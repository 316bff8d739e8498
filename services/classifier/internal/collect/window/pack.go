package window

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds the memory that a frame may ask for.
const maxZstdWindow = 32 << 20

// packed tells by its first bytes how a log is packed; what its name ends with
// does not count.
func packed(first []byte) string {
	switch {
	case bytes.HasPrefix(first, []byte{0x1f, 0x8b, 8}):
		return "gzip"
	case bytes.HasPrefix(first, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstd"
	}
	return ""
}

// unpacked reads what is packed. What comes out may be packed again; it is a
// log of odd bytes then.
func unpacked(kind string, r io.Reader) (io.ReadCloser, error) {
	if kind == "gzip" {
		return gzip.NewReader(r)
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}
