package proctree

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Anonymous returns the anonymous memory of process pid in bytes, resident or
// swapped out: neither page cache nor mapped files. What processes share since
// a fork counts for each of them. A process that is gone or dead has 0.
func Anonymous(pid int) int64 {
	return sumKilobytes(fmt.Sprintf("/proc/%d/status", pid), "RssAnon:", "VmSwap:")
}

// AnonymousShare returns the same, but of memory that is shared by n processes
// the n-th part. It costs the kernel a walk over the memory; ok is false where
// it may not be read.
func AnonymousShare(pid int) (bytes int64, ok bool) {
	file := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	share := sumKilobytes(file, "Pss_Anon:", "SwapPss:")
	if share > 0 {
		return share, true
	}
	return 0, Anonymous(pid) == 0 // gone, or not to be read
}

// sumKilobytes adds the values of the lines with these names, in bytes.
func sumKilobytes(file string, names ...string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	var sum int64
	for line := range bytes.Lines(text) {
		for _, name := range names {
			value, found := bytes.CutPrefix(line, []byte(name))
			if !found {
				continue
			}
			value = bytes.TrimSuffix(bytes.TrimSpace(value), []byte(" kB"))
			if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
				sum += n << 10
			}
		}
	}
	return sum
}
