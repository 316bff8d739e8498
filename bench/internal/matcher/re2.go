package matcher

import (
	"slices"

	"github.com/wasilibs/go-re2/experimental"
)

// re2Set is a RE2::Set.
type re2Set struct{ set *experimental.Set }

// re2Memory is what the set may use for its automaton.
const re2Memory = 1 << 30

func newRE2Set(patterns []string) (Engine, error) {
	var lines []string
	for _, p := range patterns {
		lines = append(lines, "(?m)"+p)
	}
	set, err := experimental.CompileSetWithOptions(lines, experimental.CompileOptions{MaxMem: re2Memory})
	return re2Set{set}, err
}

// mostBytes is how much of a log a set looks at before it is estimated.
const mostBytes = 1 << 20

// First implements Engine.
func (s re2Set) First(log []byte) (int, float64, error) {
	part := 1.0
	if len(log) > mostBytes {
		part = mostBytes / float64(len(log))
		log = log[len(log)-mostBytes:]
	}
	found, err := s.set.FindAllWithError(log, -1)
	if err != nil || len(found) == 0 {
		return -1, part, err
	}
	return slices.Min(found), part, nil
}
