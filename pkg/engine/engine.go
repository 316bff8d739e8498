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

// Role is a part of a job with a memory of its own.
type Role string

// The roles. A process and a JVM have one, Spark has two.
const (
	NoRole   Role = ""
	Whole    Role = "process"
	Driver   Role = "driver"
	Executor Role = "executor"
)

// Size is what one role is given.
type Size struct {
	Memory int64   // bytes in all: of a JVM, heap and overhead; 0 when nothing limits it
	Cores  float64 // 0 when not set
}

// Setting is what a configuration gives to the role that a class of failures
// is about.
type Setting struct {
	Class failure.Class
	Role  Role // NoRole when no key of the engine bears on the class
	Size
}

// Limits bound what may be recommended; 0 leaves the engine's own bound.
type Limits struct {
	Memory int64 // bytes
	Cores  float64
}

// Profile knows the configuration keys of one engine. Get one from Lookup.
type Profile struct {
	name string
	keys []key
	shape
}

// shape is what differs between engines beyond their keys.
type shape interface {
	// processLimit returns the limit in bytes of the whole process tree.
	processLimit(v values) int64
	// role returns the role that class c is about.
	role(c failure.Class) Role
	// size returns what role r has.
	size(v values, r Role) Size
	// write returns the members that give the role of s the size to, when the
	// job has v; memory is in bytes and numbers are plain.
	write(v values, s Setting, to Size) map[string]float64
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

// ProcessLimit returns the memory limit in bytes that the process executor
// enforces on the whole process tree; 0 is none. A bad value is errs.Invalid.
func (p Profile) ProcessLimit(config map[string]any) (int64, error) {
	v, err := p.parse(config)
	if err != nil {
		return 0, err
	}
	return p.processLimit(v), nil
}

// Setting returns what config gives to the role that class c is about. A class
// that is not about memory is taken for a kill of the whole role. A bad value is
// errs.Invalid.
func (p Profile) Setting(config map[string]any, c failure.Class) (Setting, error) {
	v, err := p.parse(config)
	if err != nil {
		return Setting{}, err
	}
	s := Setting{Class: c, Role: p.role(c)}
	if s.Role != NoRole {
		s.Size = p.size(v, s.Role)
	}
	return s, nil
}

// Sizes returns what config gives to every role of the engine. A bad value is
// errs.Invalid.
func (p Profile) Sizes(config map[string]any) (map[Role]Size, error) {
	v, err := p.parse(config)
	if err != nil {
		return nil, err
	}
	sizes := map[Role]Size{}
	for _, c := range []failure.Class{failure.MemoryDriver, failure.MemoryExecutor} {
		r := p.role(c)
		sizes[r] = p.size(v, r)
	}
	return sizes, nil
}

// Apply returns a copy of config in which the role of s has the size to. s must
// come from Setting of the same config; members that need no change keep their
// value as it is written. A bad value is errs.Invalid.
func (p Profile) Apply(config map[string]any, s Setting, to Size) (map[string]any, error) {
	v, err := p.parse(config)
	if err != nil {
		return nil, err
	}
	changed := make(map[string]any, len(config)+2)
	for name, value := range config {
		changed[name] = value
	}
	for name, amount := range p.write(v, s, to) {
		k, _ := p.key(name)
		if old, ok := v[name]; !ok || old != amount {
			changed[name] = k.format(amount, config[name])
		}
	}
	return changed, nil
}
