package engine

import "github.com/redrive-io/redrive/pkg/failure"

// The Spark properties that a profile knows; see
// https://spark.apache.org/docs/latest/configuration.html.
const (
	executorMemory   = "spark.executor.memory"
	executorOverhead = "spark.executor.memoryOverhead"
	executorFactor   = "spark.executor.memoryOverheadFactor"
	executorCores    = "spark.executor.cores"
	pythonMemory     = "spark.executor.pyspark.memory"
	offHeapEnabled   = "spark.memory.offHeap.enabled"
	offHeapSize      = "spark.memory.offHeap.size"
	driverMemory     = "spark.driver.memory"
	driverOverhead   = "spark.driver.memoryOverhead"
	driverFactor     = "spark.driver.memoryOverheadFactor"
	driverCores      = "spark.driver.cores"
	maxResultSize    = "spark.driver.maxResultSize"
)

// Spark's defaults for what is not set.
const (
	sparkMemory    = 1 * gib
	sparkMaxResult = 1 * gib
)

var sparkKeys = []key{
	{name: executorMemory, unit: sizeInMiB, min: minMemory, max: maxMemory},
	{name: executorOverhead, unit: sizeInMiB, min: 0, max: maxMemory},
	{name: executorFactor, unit: factor, min: 0, max: 100, readOnly: true},
	{name: executorCores, unit: whole, min: 1, max: maxCores},
	{name: pythonMemory, unit: sizeInMiB, min: 0, max: maxMemory},
	{name: offHeapEnabled, unit: flag, min: 0, max: 1, readOnly: true},
	{name: offHeapSize, unit: sizeInBytes, min: 0, max: maxMemory, readOnly: true},
	{name: driverMemory, unit: sizeInMiB, min: minMemory, max: maxMemory},
	{name: driverOverhead, unit: sizeInMiB, min: 0, max: maxMemory},
	{name: driverFactor, unit: factor, min: 0, max: 100, readOnly: true},
	{name: driverCores, unit: whole, min: 1, max: maxCores},
	{name: maxResultSize, unit: sizeInBytes, min: 0, max: maxMemory},
}

// sparkShape keeps container = heap + max(overhead, 10 %, 384 MiB) + off-heap +
// Python memory, for the driver and for one executor.
type sparkShape struct{}

// processLimit is 0: the containers' manager enforces Spark's limits.
func (sparkShape) processLimit(values) int64 { return 0 }

func (sparkShape) role(c failure.Class) Role {
	switch c {
	case failure.MemoryGPU:
		return NoRole
	case failure.MemoryDriver:
		return Driver
	}
	return Executor
}

// container is the memory of one container by its parts, in bytes.
type container struct {
	heap, overhead, share, python, offHeap float64
	fixed                                  bool // the overhead is set, not a share of the heap
}

func (sparkShape) container(v values, r Role) container {
	memory, overhead, share := executorMemory, executorOverhead, executorFactor
	if r == Driver {
		memory, overhead, share = driverMemory, driverOverhead, driverFactor
	}
	c := container{heap: v.or(memory, sparkMemory), share: v.or(share, overheadShare)}
	if r == Executor {
		c.python = v[pythonMemory]
		c.offHeap = v[offHeapEnabled] * v[offHeapSize]
	}
	if c.overhead, c.fixed = v[overhead]; !c.fixed {
		c.overhead = max(c.share*c.heap, overheadFloor)
	}
	return c
}

func (c container) total() float64 { return c.heap + c.overhead + c.python + c.offHeap }

func (s sparkShape) size(v values, r Role) Size {
	n := v[executorCores]
	if r == Driver {
		n = v[driverCores]
	}
	return Size{int64(s.container(v, r).total()), n}
}

// write raises the part of the container that ran out: the heap for
// memory.driver and memory.executor, Python's own part where there is one, else
// the overhead. The driver's largest result grows in step with its heap: a
// result that was too large is one of the ways in which a driver fails.
func (s sparkShape) write(v values, from Setting, to Size) map[string]float64 {
	c, w := s.container(v, from.Role), map[string]float64{}
	memory, overhead, count := executorMemory, executorOverhead, executorCores
	if from.Role == Driver {
		memory, overhead, count = driverMemory, driverOverhead, driverCores
	}
	if to.Cores != from.Cores {
		w[count] = to.Cores
	}
	more := float64(to.Memory) - c.total()
	if more <= 0 {
		return w
	}
	switch {
	case heapClass(from.Class):
		heap := c.heap + more
		if !c.fixed {
			room := c.heap + c.overhead + more
			heap = min(room-overheadFloor, room/(1+c.share))
		}
		heap = max(floorMiB(heap), c.heap)
		w[memory] = heap
		if result := v.or(maxResultSize, sparkMaxResult); from.Role == Driver && result > 0 {
			w[maxResultSize] = floorMiB(min(result*heap/c.heap, maxMemory))
		}
	case from.Class == failure.MemoryPython && c.python > 0:
		w[pythonMemory] = floorMiB(c.python + more)
	default:
		w[overhead] = floorMiB(c.overhead + more)
	}
	return w
}

// or returns the value of a key, or what holds when it is not set.
func (v values) or(name string, otherwise float64) float64 {
	if n, ok := v[name]; ok {
		return n
	}
	return otherwise
}
