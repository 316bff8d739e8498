package search

import (
	"cmp"
	"math"
	"slices"

	"github.com/redrive-io/redrive/pkg/engine"
)

// Unbounded is the ceiling where nothing bounds the memory, in bytes.
const Unbounded = math.MaxInt64

// Ceiling returns the most bytes that a process tree or container with so many
// cores may have, 0 being one: the least of MaxMemory and the largest node that
// has the cores, and the largest total within both where only some are allowed.
// It is 0 where no node has the cores, or all that is allowed is more.
func (s *Settings) Ceiling(cores float64) int64 {
	most := cmp.Or(s.MaxMemory, Unbounded)
	if len(s.Nodes) > 0 {
		largest := int64(0)
		for _, n := range s.Nodes {
			if n.has(cores) {
				largest = max(largest, n.Memory)
			}
		}
		most = min(most, largest)
	}
	if len(s.Allowed) == 0 {
		return most
	}
	within, found := slices.BinarySearch(s.Allowed, most)
	switch {
	case found:
		return most
	case within == 0:
		return 0
	}
	return s.Allowed[within-1]
}

// has reports whether a container with so many cores, 0 being one, fits.
func (n Node) has(cores float64) bool { return cmp.Or(cores, 1) <= n.Cores }

// Most returns the most bytes of the part that the settings allow with so many
// cores, all else being as it is: a multiple of Step with which the whole is
// within Ceiling. It is 0 where there is none.
func (s *Settings) Most(of *engine.Setting, cores float64) int64 {
	total := s.Ceiling(cores)
	if total == Unbounded {
		return Unbounded
	}
	return of.Most(total, s.Step)
}

// Amounts returns, where only some totals are allowed, the only amounts of the
// part that may be given with so many cores, ascending: of each total within
// Ceiling the most that it leaves the part.
func (s *Settings) Amounts(of *engine.Setting, cores float64) (all []int64) {
	ceiling := s.Ceiling(cores)
	for _, total := range s.Allowed {
		if total > ceiling {
			break
		}
		if most := of.Most(total, s.Step); most > 0 {
			all = append(all, most)
		}
	}
	return slices.Compact(all)
}

// Ceiling returns the most bytes of the part that may be given with the cores of
// a size, all else being as it is. No candidate has more; and one has as much,
// unless that is less than the attempt had or farther than one step may go.
// Beside what the settings allow, a retry may keep what the attempt had where
// that fits a node, and have Most, the job's own, within the settings' ceiling:
// these need be no step and no total that is allowed.
func (in *Inputs) Ceiling(at engine.Size) int64 {
	most := in.Settings.Most(&in.Setting, at.Cores)
	if had := in.Setting.Memory; had > most && in.mayKeep(at.Cores) {
		most = had
	}
	if in.Most > most && in.total(in.Most) <= in.Settings.Ceiling(at.Cores) {
		most = in.Most
	}
	return most
}

// mayKeep reports whether an attempt with so many cores may have the memory that
// is set.
func (in *Inputs) mayKeep(cores float64) bool {
	total := in.total(in.Setting.Memory)
	if in.First {
		return total <= in.Settings.Ceiling(cores)
	}
	nodes := Settings{Nodes: in.Settings.Nodes}
	return total <= nodes.Ceiling(cores)
}

// total returns the bytes in all with so many of the part.
func (in *Inputs) total(bytes int64) int64 {
	at := in.Setting.Size
	at.Memory = bytes
	return in.Setting.Total(at)
}

// Covered returns the largest need of the part, in bytes and run as it is now,
// that a retry could be given what it takes: the ceiling, or what the ceiling
// holds where fewer tasks run at once. It is 0 where every ceiling is less than
// the attempt had, which a retry never gets.
func (in *Inputs) Covered() int64 {
	r, covered := in.room(), int64(0)
	for _, way := range in.Setting.Ways(in.Settings.MaxCores) {
		switch most := r.of(way.Cores); {
		case most == Unbounded:
			return Unbounded
		case most >= in.Setting.Memory:
			covered = max(covered, int64(float64(most)/way.Need))
		}
	}
	return covered
}

// room is what there is of memory in all ways.
type room struct {
	// ceilings are of each number of cores, the present one first; that alone where
	// cores make no difference.
	ceilings []ceiling
	total    int64 // bytes in all, in the way that may have most
}

// ceiling is what may be given with so many cores, in bytes of the part.
type ceiling struct {
	cores float64
	most  int64
}

func (in *Inputs) room() room {
	cores := in.Setting.Cores
	r := room{[]ceiling{{cores, in.Ceiling(in.Setting.Size)}}, in.Settings.Ceiling(cores)}
	if len(in.Settings.Nodes) == 0 { // cores make no difference
		return r
	}
	for _, way := range in.Setting.Ways(in.Settings.MaxCores) {
		if !slices.ContainsFunc(r.ceilings, func(c ceiling) bool { return c.cores == way.Cores }) {
			r.ceilings = append(r.ceilings, ceiling{way.Cores, in.Ceiling(way.Size)})
			r.total = max(r.total, in.Settings.Ceiling(way.Cores))
		}
	}
	return r
}

// of returns the ceiling with so many cores; Unbounded when there is no room to
// keep to.
func (r room) of(cores float64) int64 {
	for _, c := range r.ceilings {
		if c.cores == cores || len(r.ceilings) == 1 {
			return c.most
		}
	}
	return Unbounded
}

// most returns the largest of the ceilings.
func (r room) most() int64 {
	most := int64(0)
	for _, c := range r.ceilings {
		most = max(most, c.most)
	}
	return most
}

// ends reports whether an amount is all that there is in some way.
func (r room) ends(bytes int64) bool {
	return slices.ContainsFunc(r.ceilings, func(c ceiling) bool { return c.most == bytes })
}
