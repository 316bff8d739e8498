// Package engine knows the configurations of the engines that run jobs: which
// keys mean memory and cores, in which units, how they relate, which values may
// be recommended, and how a change of them is written as a guarded patch.
//
// A configuration is a JSON object as encoding/json or structpb decode it:
// map[string]any with numbers as float64. Keys that a profile does not know are
// the job's own business and never touched.
package engine

import (
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// The engines.
const (
	Process = "process" // a process tree with "memory_mb" and "cores"
	JVM     = "jvm"     // a JVM with "heap_mb" and, for its process tree, "memory_mb"
	Spark   = "spark"   // Spark with its flat "spark.…" properties
)

// Part is an amount of memory that can run out by itself.
type Part string

// The parts. What a job needs of one says nothing of what it needs of another.
const (
	NoPart       Part = ""
	Tree         Part = "tree"          // the process tree, by its limit
	Heap         Part = "heap"          // the heap of the jvm engine
	DriverHeap   Part = "driver.heap"   // of Spark's driver
	DriverResult Part = "driver.result" // what Spark's driver lets tasks send it, a limit of its own
	ExecutorHeap Part = "executor.heap" // of one executor of Spark
	Overhead     Part = "executor.overhead"
	Python       Part = "executor.python"
)

// Size is what is given to one part, and who shares it. The last three are
// Spark's, and 0 wherever its configuration does not say.
type Size struct {
	Memory     int64   // bytes; 0 when nothing limits it
	Cores      float64 // 0 when not set
	TaskCPUs   float64 // cores of one task
	Instances  float64 // executors, where their number is fixed
	Partitions float64 // of a shuffle of SQL
}

// Profile knows the configuration keys of one engine. Get one from Lookup.
type Profile struct {
	name  string
	keys  []key
	shape shape
}

// shape is how the keys of an engine relate.
type shape interface {
	// processLimit returns the limit in bytes of the whole process tree.
	processLimit(v *values) int64
	// part returns what runs out in a failure of class c. bounded says whether
	// the configuration gives an amount of memory to a part.
	part(c failure.Class, bounded func(Part) bool) Part
	// parts lists the parts that v gives memory to.
	parts(v *values) []Part
	// size returns what v gives to a part.
	size(v *values, p Part) Size
	// total returns the bytes that are paid for: the part's whole container.
	total(v *values, p Part) int64
	// write changes v so that part p has the size to. Memory is in bytes.
	write(v *values, p Part, to Size)
}

var profiles = []Profile{
	{Process, processKeys, processShape{}},
	{JVM, jvmKeys, jvmShape{}},
	{Spark, sparkKeys, sparkShape{}},
}

// Names returns the names of all engines, sorted.
func Names() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.name)
	}
	slices.Sort(names)
	return names
}

// Lookup returns the profile of an engine. An unknown name is errs.Invalid and
// the text lists the known ones.
func Lookup(name string) (Profile, error) {
	for _, p := range profiles {
		if p.name == name {
			return p, nil
		}
	}
	return Profile{}, errs.Field("type.engine", "%q is not an engine; it must be one of %s", name, strings.Join(Names(), ", "))
}

// Name returns the engine's name.
func (p Profile) Name() string { return p.name }

// Validate checks the values of all keys that the profile knows. What is wrong
// is errs.Invalid with the fields "config.KEY".
func (p Profile) Validate(config map[string]any) error {
	_, err := p.parse(config)
	return err
}

// Known returns the members of config that the profile knows, as they are
// written.
func (p Profile) Known(config map[string]any) map[string]any {
	known := map[string]any{}
	for _, k := range p.keys {
		if value, ok := config[k.name]; ok {
			known[k.name] = value
		}
	}
	return known
}

// ProcessLimit returns the memory limit in bytes that the process executor
// enforces on the whole process tree; 0 is none. A bad value is errs.Invalid.
func (p Profile) ProcessLimit(config map[string]any) (int64, error) {
	v, err := p.parse(config)
	if err != nil {
		return 0, err
	}
	return p.shape.processLimit(&v), nil
}

// Sizes returns what config gives to each part that it bounds, by default or by
// a key. A bad value is errs.Invalid.
func (p Profile) Sizes(config map[string]any) (map[Part]Size, error) {
	v, err := p.parse(config)
	if err != nil {
		return nil, err
	}
	sizes := map[Part]Size{}
	for _, part := range p.shape.parts(&v) {
		sizes[part] = p.shape.size(&v, part)
	}
	return sizes, nil
}

// Cause is what is known of what ran out in a failure.
type Cause struct {
	Class failure.Class
	// Setting is the key that the log names as too small, or the end of it after
	// a dot; empty when it names none. A key that the profile knows says more than
	// the class.
	Setting string
}

// PartOf returns what ran out, NoPart when no key bears on it. bounded says
// whether the configuration gives an amount of memory to a part.
func (p Profile) PartOf(c Cause, bounded func(Part) bool) Part {
	if part := p.partOfKey(c.Setting); c.Class.Memory() && part != NoPart && bounded(part) {
		return part
	}
	return p.shape.part(c.Class, bounded)
}

func (p Profile) partOfKey(name string) Part {
	for _, k := range p.keys {
		if name != "" && (k.name == name || strings.HasSuffix(k.name, "."+name)) {
			return k.part
		}
	}
	return NoPart
}
