package engine

import "github.com/redrive-io/redrive/pkg/failure"

var jvmKeys = []key{
	{name: heapMB, unit: mebibytes, min: 2 * mib, max: maxMemory},
	{name: memoryMB, unit: mebibytes, min: minMemory, max: maxMemory},
	{name: cores, unit: number, min: minCores, max: maxCores},
}

// Overhead is what a JVM needs beside its heap: metaspace, code cache, thread
// stacks, direct buffers. Without a better number Redrive takes what Spark
// takes: a tenth of the heap, at least 384 MiB.
const (
	overheadShare = 0.1
	overheadFloor = 384 * mib
)

// jvmShape keeps heap = limit − overhead: heap_mb is -Xmx, memory_mb (when it
// is set) the limit of the process tree.
type jvmShape struct{}

func (jvmShape) processLimit(v values) int64 { return int64(v[memoryMB]) }

func (jvmShape) role(c failure.Class) Role { return processShape{}.role(c) }

// overhead is what the configuration leaves beside the heap.
func (jvmShape) overhead(v values) float64 {
	if limit, heap := v[memoryMB], v[heapMB]; limit > heap {
		return limit - heap
	}
	return max(overheadShare*v[heapMB], overheadFloor)
}

func (j jvmShape) size(v values, _ Role) Size {
	s := Size{int64(v[memoryMB]), v[cores]}
	if heap := v[heapMB]; s.Memory == 0 && heap > 0 {
		s.Memory = int64(heap + j.overhead(v))
	}
	return s
}

// write: a kill at the limit of the tree raises that limit alone, the heap was
// not what ran out. A full heap raises the heap, and the limit with it where
// one is set, so that the overhead stays what it was and at least a tenth.
func (j jvmShape) write(v values, s Setting, to Size) map[string]float64 {
	w := map[string]float64{}
	if to.Cores != s.Cores {
		w[cores] = to.Cores
	}
	_, limited := v[memoryMB]
	_, heaped := v[heapMB]
	if limited || !heaped {
		w[memoryMB] = float64(to.Memory)
	}
	if heapClass(s.Class) && heaped || !limited && heaped {
		total := float64(to.Memory)
		w[heapMB] = max(floorMiB(min(total-j.overhead(v), total/(1+overheadShare))), v[heapMB])
	}
	return w
}

// heapClass reports whether it was the heap that ran out.
func heapClass(c failure.Class) bool { return c == failure.MemoryDriver || c == failure.MemoryExecutor }

func floorMiB(bytes float64) float64 { return float64(int64(bytes) / mib * mib) }
