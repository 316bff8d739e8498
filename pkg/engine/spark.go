package engine

import (
	"math"

	"github.com/redrive-io/redrive/pkg/failure"
)

// Spark's defaults for what is not set.
const (
	sparkMemory    = 1 * gib
	sparkMaxResult = 1 * gib
)

// Bounds of numbers that Spark itself does not bound.
const (
	maxInstances  = 100_000
	maxPartitions = 1_000_000
)

// The Spark properties that a profile knows; see
// https://spark.apache.org/docs/latest/configuration.html.
var sparkKeys = []key{
	{member: executorMemory, name: "spark.executor.memory", unit: sizeInMiB, min: minMemory, max: maxMemory, part: ExecutorHeap},
	{member: executorOverhead, name: "spark.executor.memoryOverhead", unit: sizeInMiB, min: 0, max: maxMemory, part: Overhead},
	{member: executorFactor, name: "spark.executor.memoryOverheadFactor", unit: factor, min: 0, max: 100, readOnly: true},
	{member: executorCores, name: "spark.executor.cores", unit: whole, min: 1, max: maxCores},
	{member: pythonMemory, name: "spark.executor.pyspark.memory", unit: sizeInMiB, min: 0, max: maxMemory, part: Python},
	{member: offHeapEnabled, name: "spark.memory.offHeap.enabled", unit: flag, min: 0, max: 1, readOnly: true},
	{member: offHeapSize, name: "spark.memory.offHeap.size", unit: sizeInBytes, min: 0, max: maxMemory, readOnly: true},
	{member: driverMemory, name: "spark.driver.memory", unit: sizeInMiB, min: minMemory, max: maxMemory, part: DriverHeap},
	{member: driverOverhead, name: "spark.driver.memoryOverhead", unit: sizeInMiB, min: 0, max: maxMemory},
	{member: driverFactor, name: "spark.driver.memoryOverheadFactor", unit: factor, min: 0, max: 100, readOnly: true},
	{member: driverCores, name: "spark.driver.cores", unit: whole, min: 1, max: maxCores},
	// Not every value of these is a plain one ("auto" is what some platforms take
	// for the partitions), and none of them decides how much memory there is.
	{member: taskCPUs, name: "spark.task.cpus", unit: whole, min: 1, max: maxCores, lenient: true},
	{member: instances, name: "spark.executor.instances", unit: whole, min: 1, max: maxInstances, lenient: true},
	{member: dynamic, name: "spark.dynamicAllocation.enabled", unit: flag, min: 0, max: 1, readOnly: true, lenient: true},
	{member: partitions, name: "spark.sql.shuffle.partitions", unit: whole, min: 1, max: maxPartitions, lenient: true},
	{member: maxResultSize, name: "spark.driver.maxResultSize", unit: sizeInBytes, min: 0, max: maxMemory, part: DriverResult},
}

// sparkShape keeps container = heap + max(overhead, 10 %, 384 MiB), and for an
// executor the off-heap and the Python memory besides.
type sparkShape struct{}

// processLimit is 0: the manager of the containers enforces Spark's limits.
func (sparkShape) processLimit(*values) int64 { return 0 }

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

func (sparkShape) parts(v *values) []Part {
	parts := []Part{DriverHeap, ExecutorHeap, Overhead}
	if v.or(maxResultSize, sparkMaxResult) > 0 { // 0 is no limit
		parts = append(parts, DriverResult)
	}
	if v.of(pythonMemory) > 0 {
		parts = append(parts, Python)
	}
	return parts
}

func (s sparkShape) size(v *values, p Part) Size {
	switch p {
	case DriverHeap:
		return Size{Memory: int64(v.or(driverMemory, sparkMemory)), Cores: v.of(driverCores)}
	case DriverResult:
		return Size{Memory: int64(v.or(maxResultSize, sparkMaxResult)), Cores: v.of(driverCores)}
	case Overhead:
		// An overhead of 0 is allowed; it grows from 1 MiB.
		return executor(v, max(overhead(v, executorMemory, executorOverhead, executorFactor), mib))
	case Python:
		return executor(v, v.of(pythonMemory))
	}
	return executor(v, v.or(executorMemory, sparkMemory))
}

// executor returns the size of a part of an executor. With dynamic allocation
// the number of executors is only what the job begins with (SPARK-13723).
func executor(v *values, memory float64) Size {
	s := Size{Memory: int64(memory), Cores: v.of(executorCores), TaskCPUs: v.of(taskCPUs), Partitions: v.of(partitions)}
	if v.of(dynamic) == 0 {
		s.Instances = v.of(instances)
	}
	return s
}

// overhead returns what a container has beside the heap, by default a share of
// it in whole MiB.
func overhead(v *values, memory, fixed, share member) float64 {
	if v.isSet[fixed] {
		return v.of(fixed)
	}
	return max(math.Floor(v.or(share, overheadShare)*v.or(memory, sparkMemory)/mib)*mib, overheadFloor)
}

func (sparkShape) total(v *values, p Part) int64 {
	if p == DriverHeap || p == DriverResult {
		return int64(v.or(driverMemory, sparkMemory) + overhead(v, driverMemory, driverOverhead, driverFactor))
	}
	return int64(v.or(executorMemory, sparkMemory) + overhead(v, executorMemory, executorOverhead, executorFactor) +
		v.of(pythonMemory) + v.of(offHeapEnabled)*v.of(offHeapSize))
}

// write raises the part that ran out, and that alone: a driver with more heap
// takes no larger results. With the limit of the results the heap that must hold
// them grows by as much, so that what the driver has beside them stays.
func (sparkShape) write(v *values, p Part, to Size) {
	memory := ceilMiB(float64(to.Memory))
	switch p {
	case DriverHeap:
		v.share(driverCores, to.Cores)
		v.set(driverMemory, memory)
		return
	case DriverResult:
		more := max(memory-v.or(maxResultSize, sparkMaxResult), 0)
		v.set(maxResultSize, memory)
		v.set(driverMemory, min(ceilMiB(v.or(driverMemory, sparkMemory)+more), maxMemory))
		return
	}
	v.share(executorCores, to.Cores)
	v.share(taskCPUs, to.TaskCPUs)
	v.share(partitions, to.Partitions)
	if to.Instances > 0 { // else their number is not the configuration's to say
		v.share(instances, to.Instances)
	}
	switch p {
	case Overhead:
		v.set(executorOverhead, memory)
	case Python:
		v.set(pythonMemory, memory)
	default:
		v.set(executorMemory, memory)
	}
}
