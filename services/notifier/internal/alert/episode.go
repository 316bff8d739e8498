package alert

import "slices"

// Episode is the time between two ends in the life of a job, as far as
// something in it is worth an alert.
type Episode struct {
	// After is the end of the episode before, and names this one.
	After    Point
	Severity Severity   // the worst
	Reached  []Severity // all that were reached, ascending
	Failures int        // failed attempts
	Last     *Failure   // the last failed attempt; nil when none is known
	Stop     *Stop      // set when the job stopped for good after Last
	End      *End       // nil while it lasts
	// Seen is the last point that is known of it: what a human who closes the
	// alert knows.
	Seen Point
}

// Episodes returns the episodes that are worth an alert, oldest first.
func (f Facts) Episodes(rate Rate) []Episode {
	after := start
	if f.Floor != nil {
		after = *f.Floor
	}
	failures, stops := f.Failures, f.Stops
	var all []Episode
	for i := range len(f.Ends) + 1 {
		ep := Episode{After: after, Seen: after}
		if i == 0 {
			ep.see(Point{Attempt: f.FoldedThrough})
			ep.Failures, ep.Reached = f.Folded, slices.Clone(f.FoldedReached)
		}
		fails, halts := len(failures), len(stops)
		if i < len(f.Ends) {
			end := f.Ends[i]
			ep.End, after = &end, end.Point
			fails = firstNot(failures, func(x Failure) bool { return end.coversFailure(x.Attempt) })
			halts = firstNot(stops, func(x Stop) bool { return end.coversStop(x.Point) })
		}
		f.fill(&ep, failures[:fails], stops[:halts], rate)
		failures, stops = failures[fails:], stops[halts:]
		if ep.Severity != None {
			all = append(all, ep)
		}
	}
	return all
}

func (f Facts) fill(ep *Episode, failures []Failure, stops []Stop, rate Rate) {
	reach := func(s Severity) {
		if s != None && !slices.Contains(ep.Reached, s) {
			ep.Reached = append(ep.Reached, s)
		}
	}
	for _, x := range failures {
		ep.see(Point{x.Attempt, x.Revision})
		s := rate(x)
		if s == None {
			continue
		}
		reach(s)
		ep.Failures++
		ep.Last = &x
	}
	for _, x := range stops {
		ep.see(x.Point)
		s := f.stopSeverity(x, rate)
		reach(s)
		if s != None && (ep.Last == nil || x.Point.Attempt >= ep.Last.Attempt) {
			ep.Stop = &x
		}
	}
	slices.Sort(ep.Reached)
	if len(ep.Reached) > 0 {
		ep.Severity = ep.Reached[len(ep.Reached)-1]
	}
}

func (e *Episode) see(p Point) {
	if p.Compare(e.Seen) > 0 {
		e.Seen = p
	}
}

func firstNot[T any](all []T, covered func(T) bool) int {
	if i := slices.IndexFunc(all, func(x T) bool { return !covered(x) }); i >= 0 {
		return i
	}
	return len(all)
}
