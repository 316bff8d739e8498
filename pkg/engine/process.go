package engine

import "github.com/redrive-io/redrive/pkg/failure"

// Bounds of what a value may be at all; what may be recommended is bounded by
// Limits. 32 TiB is the largest machine that clouds rent out today.
const (
	minMemory = 4 * mib
	maxMemory = 32 << 40
	minCores  = 0.01
	maxCores  = 1024
)

const (
	memoryMB = "memory_mb"
	heapMB   = "heap_mb"
	cores    = "cores"
)

var processKeys = []key{
	{name: memoryMB, unit: mebibytes, min: minMemory, max: maxMemory},
	{name: cores, unit: number, min: minCores, max: maxCores},
}

type processShape struct{}

func (processShape) processLimit(v values) int64 { return int64(v[memoryMB]) }

// role: whatever ran out of memory in a process tree, the tree's limit is the
// one setting that bears on it. Memory of a GPU is none of it.
func (processShape) role(c failure.Class) Role {
	if c == failure.MemoryGPU {
		return NoRole
	}
	return Whole
}

func (processShape) size(v values, _ Role) Size {
	return Size{int64(v[memoryMB]), v[cores]}
}

func (processShape) write(_ values, s Setting, to Size) map[string]float64 {
	w := map[string]float64{memoryMB: float64(to.Memory)}
	if to.Cores != s.Cores {
		w[cores] = to.Cores
	}
	return w
}
