package engine

import "github.com/redrive-io/redrive/pkg/failure"

var jvmKeys = []key{
	{member: heapMB, name: "heap_mb", unit: mebibytes, min: 2 * mib, max: maxMemory},
	{member: memoryMB, name: "memory_mb", unit: mebibytes, min: minMemory, max: maxMemory},
	{member: cores, name: "cores", unit: number, min: minCores, max: maxCores},
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

func (jvmShape) processLimit(v *values) int64 { return int64(v.of(memoryMB)) }

// part: a full heap is about the heap where it is set; the JVM's default heap
// follows the limit of the tree.
func (jvmShape) part(c failure.Class, bounded func(Part) bool) Part {
	if heapClass(c) && bounded(Heap) {
		return Heap
	}
	return processShape{}.part(c, bounded)
}

func (jvmShape) parts(v *values) []Part {
	parts := processShape{}.parts(v)
	if v.of(heapMB) > 0 {
		parts = append(parts, Heap)
	}
	return parts
}

func (jvmShape) size(v *values, p Part) Size {
	if p == Heap {
		return Size{Memory: int64(v.of(heapMB)), Cores: v.of(cores)}
	}
	return Size{Memory: int64(v.of(memoryMB)), Cores: v.of(cores)}
}

// overhead returns what a heap of this size leaves to the rest: what the
// configuration left so far where it says so, and never less than a tenth.
func (jvmShape) overhead(v *values, heap float64) float64 {
	if limit, now := v.of(memoryMB), v.of(heapMB); limit > now && now > 0 {
		return max(limit-now, overheadShare*heap)
	}
	return max(overheadShare*heap, overheadFloor)
}

func (j jvmShape) total(v *values, p Part) int64 {
	if limit := v.of(memoryMB); limit > 0 || p == Tree {
		return int64(limit)
	}
	return int64(v.of(heapMB) + j.overhead(v, v.of(heapMB)))
}

// write: a kill at the limit of the tree raises that limit alone, the heap was
// not what ran out. A full heap raises the heap, and the limit with it where one
// is set, so that the overhead stays what it was.
func (j jvmShape) write(v *values, p Part, to Size) {
	if p == Tree {
		processShape{}.write(v, p, to)
		return
	}
	heap := ceilMiB(float64(to.Memory))
	v.share(cores, to.Cores)
	if limit := v.of(memoryMB); limit > 0 {
		v.set(memoryMB, max(limit, ceilMiB(heap+j.overhead(v, heap))))
	}
	v.set(heapMB, heap)
}

// heapClass reports whether it was the heap that ran out.
func heapClass(c failure.Class) bool { return c == failure.MemoryDriver || c == failure.MemoryExecutor }
