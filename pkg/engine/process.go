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

// part: whatever ran out of memory in a process tree, the tree's limit is the
// one setting that bears on it. The memory of a GPU is none of it.
func (processShape) part(c failure.Class, _ func(Part) bool) Part {
	if c == failure.MemoryGPU {
		return NoPart
	}
	return Tree
}

func (processShape) parts(v values) []Part {
	if v[memoryMB] == 0 {
		return nil
	}
	return []Part{Tree}
}

func (processShape) size(v values, _ Part) Size { return Size{int64(v[memoryMB]), v[cores]} }

func (processShape) total(v values, _ Part) int64 { return int64(v[memoryMB]) }

func (processShape) write(v values, _ Part, to Size) values {
	return v.with(cores, to.Cores, values{memoryMB: ceilMiB(float64(to.Memory))})
}
