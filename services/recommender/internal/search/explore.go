package search

import "math"

// Bounds of exploration. An answer that is explored costs at most a tenth more
// than the best one by what is predicted, and at most a tenth of the answers are,
// so all of it costs a hundredth at most.
const (
	maxExploration = 0.1
	nearlySame     = 1.1
	perExplored    = 8 // amounts of memory an octave that are told apart: 9 %
)

// explore returns the best candidate, or now and then another one whose
// objective is nearly the same and whose memory is not, and the probability
// with which it was to be chosen. What comes of it tells how other choices would
// have ended.
func (b *batch) explore(best Candidate) (chosen Candidate, propensity float64, explored bool) {
	share := min(b.in.Settings.Exploration, maxExploration)
	others := b.others(best)
	if len(others) == 0 {
		return best, 1, false
	}
	if b.in.Dice >= share {
		return best, 1 - share, false
	}
	which := min(int(b.in.Dice/share*float64(len(others))), len(others)-1)
	return b.candidate(others[which]), share / float64(len(others)), true
}

// others returns, of the present way, the best candidate of each stretch of 9 %
// of memory but the best candidate's own, where that is nearly as good.
func (b *batch) others(best Candidate) (all []scored) {
	l, last := b.lane(0), math.NaN()
	for m, memory := range b.grid.Memory {
		c, ok := l.score(m)
		stretch := math.Round(perExplored * math.Log2(float64(memory)/float64(best.Memory)))
		switch {
		case !ok || stretch == 0 || c.objective > nearlySame*best.Objective:
		case stretch != last:
			all, last = append(all, c), stretch
		case c.before(all[len(all)-1]):
			all[len(all)-1] = c
		}
	}
	return all
}
