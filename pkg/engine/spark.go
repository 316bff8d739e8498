package engine

import (
	"math"

	"github.com/redrive-io/redrive/pkg/failure"
)

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
	{name: executorMemory, unit: sizeInMiB, min: minMemory, max: maxMemory, part: ExecutorHeap},
	{name: executorOverhead, unit: sizeInMiB, min: 0, max: maxMemory, part: Overhead},
	{name: executorFactor, unit: factor, min: 0, max: 100, readOnly: true},
	{name: executorCores, unit: whole, min: 1, max: maxCores},
	{name: pythonMemory, unit: sizeInMiB, min: 0, max: maxMemory, part: Python},
	{name: offHeapEnabled, unit: flag, min: 0, max: 1, readOnly: true},
	{name: offHeapSize, unit: sizeInBytes, min: 0, max: maxMemory, readOnly: true},
	{name: driverMemory, unit: sizeInMiB, min: minMemory, max: maxMemory, part: DriverHeap},
	{name: driverOverhead, unit: sizeInMiB, min: 0, max: maxMemory},
	{name: driverFactor, unit: factor, min: 0, max: 100, readOnly: true},
	{name: driverCores, unit: whole, min: 1, max: maxCores},
	{name: maxResultSize, unit: sizeInBytes, min: 0, max: maxMemory, part: DriverResult},
}

// sparkShape keeps container = heap + max(overhead, 10 %, 384 MiB), and for an
// executor the off-heap and the Python memory besides.
type sparkShape struct{}

// processLimit is 0: the manager of the containers enforces Spark's limits.
func (sparkShape) processLimit(values) int64 { return 0 }

func (sparkShape) part(c failure.Class, bounded func(Part) bool) Part {
	switch {
	case c == failure.MemoryGPU:
		return NoPart
	case c == failure.MemoryDriver:
		return DriverHeap
	case c == failure.MemoryExecutor:
		return ExecutorHeap
	case c == failure.MemoryPython && bounded(Python):
		return Python
	}
	return Overhead
}

func (sparkShape) parts(v values) []Part {
	parts := []Part{DriverHeap, ExecutorHeap, Overhead}
	if v.or(maxResultSize, sparkMaxResult) > 0 { // 0 is no limit
		parts = append(parts, DriverResult)
	}
	if v[pythonMemory] > 0 {
		parts = append(parts, Python)
	}
	return parts
}

func (s sparkShape) size(v values, p Part) Size {
	switch p {
	case DriverHeap:
		return Size{int64(v.or(driverMemory, sparkMemory)), v[driverCores]}
	case DriverResult:
		return Size{int64(v.or(maxResultSize, sparkMaxResult)), v[driverCores]}
	case Overhead:
		// An overhead of 0 is allowed; it grows from 1 MiB.
		return Size{int64(max(overhead(v, executorMemory, executorOverhead, executorFactor), mib)), v[executorCores]}
	case Python:
		return Size{int64(v[pythonMemory]), v[executorCores]}
	}
	return Size{int64(v.or(executorMemory, sparkMemory)), v[executorCores]}
}

// overhead returns what a container has beside the heap, by default a share of
// it in whole MiB.
func overhead(v values, memory, fixed, share string) float64 {
	if n, ok := v[fixed]; ok {
		return n
	}
	return max(math.Floor(v.or(share, overheadShare)*v.or(memory, sparkMemory)/mib)*mib, overheadFloor)
}

func (sparkShape) total(v values, p Part) int64 {
	if p == DriverHeap || p == DriverResult {
		return int64(v.or(driverMemory, sparkMemory) + overhead(v, driverMemory, driverOverhead, driverFactor))
	}
	return int64(v.or(executorMemory, sparkMemory) + overhead(v, executorMemory, executorOverhead, executorFactor) +
		v[pythonMemory] + v[offHeapEnabled]*v[offHeapSize])
}

// write raises the part that ran out, and that alone: a driver with more heap
// takes no larger results. With the limit of the results the heap that must hold
// them grows by as much, so that what the driver has beside them stays.
func (sparkShape) write(v values, p Part, to Size) values {
	memory := ceilMiB(float64(to.Memory))
	switch p {
	case DriverHeap:
		return v.with(driverCores, to.Cores, values{driverMemory: memory})
	case DriverResult:
		more := max(memory-v.or(maxResultSize, sparkMaxResult), 0)
		return values{maxResultSize: memory, driverMemory: min(ceilMiB(v.or(driverMemory, sparkMemory)+more), maxMemory)}
	case Overhead:
		return v.with(executorCores, to.Cores, values{executorOverhead: memory})
	case Python:
		return v.with(executorCores, to.Cores, values{pythonMemory: memory})
	}
	return v.with(executorCores, to.Cores, values{executorMemory: memory})
}
