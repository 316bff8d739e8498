package engine

import "math"

// Config returns a configuration that gives each part its size, in bytes, and to
// what is not a driver the cores: what can be said again of a configuration of
// which no more than that is known. Parts without a size keep their defaults.
func (p Profile) Config(sizes map[Part]int64, cores float64) map[string]any {
	if p.name == Spark {
		cores = math.Floor(cores) // executors have whole ones
	}
	var v values
	// What is raised together with another part comes before that part.
	for _, part := range []Part{DriverResult, DriverHeap, Heap, Tree, ExecutorHeap, Overhead, Python} {
		if sizes[part] <= 0 || !p.has(part) {
			continue
		}
		to := Size{Memory: sizes[part]}
		if part != DriverHeap && part != DriverResult {
			to.Cores = cores
		}
		p.shape.write(&v, part, to)
	}
	config := map[string]any{}
	for _, k := range p.keys {
		if v.isSet[k.member] && k.within(v.of(k.member)) {
			config[k.name] = k.format(v.of(k.member), nil)
		}
	}
	return config
}

// has reports whether the engine has such a part.
func (p Profile) has(part Part) bool {
	switch part {
	case Tree:
		return p.name != Spark
	case Heap:
		return p.name == JVM
	}
	return p.name == Spark
}
