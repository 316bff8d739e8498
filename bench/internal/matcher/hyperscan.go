//go:build hyperscan

package matcher

/*
#cgo pkg-config: libhs
#include <hs.h>
#include <stdlib.h>

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *first) {
	if (id < *(unsigned *)first) *(unsigned *)first = id;
	return 0;
}

static int scan(const hs_database_t *db, const char *log, unsigned n, hs_scratch_t *scratch, unsigned *first) {
	*first = ~0u;
	return hs_scan(db, log, n, 0, scratch, on_match, first);
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

func init() { engines["hyperscan"] = newHyperscan }

// hyperscan is a Hyperscan database in block mode, in which ^ and $ are the ends
// of lines, and each pattern is told once a log.
type hyperscan struct {
	db      *C.hs_database_t
	scratch *C.hs_scratch_t
}

func newHyperscan(patterns []string) (Engine, error) {
	texts, flags, ids := make([]*C.char, len(patterns)), make([]C.uint, len(patterns)), make([]C.uint, len(patterns))
	for i, p := range patterns {
		texts[i], flags[i], ids[i] = C.CString(p), C.HS_FLAG_SINGLEMATCH|C.HS_FLAG_MULTILINE, C.uint(i)
		defer C.free(unsafe.Pointer(texts[i]))
	}
	var h hyperscan
	var failed *C.hs_compile_error_t
	// The array holds pointers of C alone.
	if C.hs_compile_multi(&texts[0], &flags[0], &ids[0], C.uint(len(patterns)), C.HS_MODE_BLOCK, nil, &h.db, &failed) != C.HS_SUCCESS {
		defer C.hs_free_compile_error(failed)
		return nil, fmt.Errorf("hyperscan: pattern %d: %s", int(failed.expression), C.GoString(failed.message))
	}
	if C.hs_alloc_scratch(h.db, &h.scratch) != C.HS_SUCCESS {
		return nil, fmt.Errorf("hyperscan: no memory for its scratch space")
	}
	return h, nil
}

// First implements Engine.
func (h hyperscan) First(log []byte) (int, float64, error) {
	var first C.uint
	if C.scan(h.db, (*C.char)(unsafe.Pointer(unsafe.SliceData(log))), C.uint(len(log)), h.scratch, &first) != C.HS_SUCCESS {
		return 0, 0, fmt.Errorf("hyperscan: the scan failed")
	}
	if first == ^C.uint(0) {
		return -1, 1, nil
	}
	return int(first), 1, nil
}
