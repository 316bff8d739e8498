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

// The members of all engines.
const (
	memoryMB member = iota
	heapMB
	cores
	executorMemory
	executorOverhead
	executorFactor
	executorCores
	pythonMemory
	offHeapEnabled
	offHeapSize
	driverMemory
	driverOverhead
	driverFactor
	driverCores
	maxResultSize
	taskCPUs
	instances
	dynamic
	partitions
	members // how many there are
)

var processKeys = []key{
	{member: memoryMB, name: "memory_mb", unit: mebibytes, min: minMemory, max: maxMemory},
	{member: cores, name: "cores", unit: number, min: minCores, max: maxCores},
}

type processShape struct{}

func (processShape) processLimit(v *values) int64 { return int64(v.of(memoryMB)) }

// part: whatever ran out of memory in a process tree, the tree's limit is the
// one setting that bears on it. The memory of a GPU is none of it.
func (processShape) part(c failure.Class, _ func(Part) bool) Part {
	if c == failure.MemoryGPU {
		return NoPart
	}
	return Tree
}

func (processShape) parts(v *values) []Part {
	if v.of(memoryMB) == 0 {
		return nil
	}
	return []Part{Tree}
}

func (processShape) size(v *values, _ Part) Size {
	return Size{Memory: int64(v.of(memoryMB)), Cores: v.of(cores)}
}

func (processShape) total(v *values, _ Part) int64 { return int64(v.of(memoryMB)) }

func (processShape) write(v *values, _ Part, to Size) {
	v.share(cores, to.Cores)
	v.set(memoryMB, ceilMiB(float64(to.Memory)))
}
