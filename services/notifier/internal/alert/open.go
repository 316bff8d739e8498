package alert

import (
	"reflect"
	"slices"
)

// Changed returns the episodes of after that are new, or not as they were
// before.
func Changed(before, after []Episode) []Episode {
	was := make(map[Point]Episode, len(before))
	for _, ep := range before {
		was[ep.After] = ep
	}
	var changed []Episode
	for _, ep := range after {
		if old, ok := was[ep.After]; !ok || !reflect.DeepEqual(old, ep) {
			changed = append(changed, ep)
		}
	}
	return changed
}

// Gone returns the open alerts that stand for none of the episodes.
func (f Facts) Gone(episodes []Episode) []Point {
	var gone []Point
	for _, p := range f.Open {
		if !slices.ContainsFunc(episodes, func(ep Episode) bool { return ep.After == p }) {
			gone = append(gone, p)
		}
	}
	return gone
}

// Track remembers whether an alert of the job is open.
func (f *Facts) Track(a Alert) {
	i := slices.Index(f.Open, a.After)
	switch {
	case a.State == Resolved && i >= 0:
		f.Open = slices.Delete(slices.Clone(f.Open), i, i+1)
	case a.State != Resolved && i < 0:
		f.Open = append(slices.Clone(f.Open), a.After)
		slices.SortFunc(f.Open, Point.Compare)
	}
}
