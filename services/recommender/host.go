package recommender

import (
	"os"
	"strconv"
	"strings"
)

// unknownHost is taken for the memory of a host that does not tell.
const unknownHost = 8 << 30

// hostMemory returns how much memory in bytes this process may use at most: the
// host's, or that of the container around it.
func hostMemory() int64 {
	return memoryOf(
		"/proc/meminfo",
		"/sys/fs/cgroup/memory.max",                   // version 2
		"/sys/fs/cgroup/memory/memory.limit_in_bytes", // version 1
	)
}

// memoryOf returns the least of what the files tell that can be read.
func memoryOf(meminfo string, limits ...string) int64 {
	least := int64(unknownHost)
	if text, err := os.ReadFile(meminfo); err == nil {
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) != 3 || fields[0] != "MemTotal:" {
				continue
			}
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil && kib > 0 {
				least = kib << 10
			}
		}
	}
	for _, name := range limits {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// "max", and the huge number of version 1, are no limit.
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 {
			least = min(least, limit)
		}
	}
	return least
}
