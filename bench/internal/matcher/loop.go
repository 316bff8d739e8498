package matcher

import "regexp"

// mostWork is how many bytes times patterns a loop looks at before it is
// estimated.
const mostWork = 2e7

// loop tries the patterns one after another, as most do.
type loop []*regexp.Regexp

func newLoop(patterns []string) (Engine, error) {
	var all loop
	for _, p := range patterns {
		re, err := regexp.Compile("(?m)" + p)
		if err != nil {
			return nil, err
		}
		all = append(all, re)
	}
	return all, nil
}

// First implements Engine.
func (l loop) First(log []byte) (int, float64, error) {
	// Where it would take too long: some of the patterns, spread over all of
	// them, on the end of the log.
	end := log[max(0, len(log)-64<<10):]
	step := max(1, int(float64(len(l))*float64(len(end))/mostWork))
	whole := step == 1 && len(end) == len(log)
	tried := 0
	for i := 0; i < len(l); i += step {
		if l[i].Match(end) && whole {
			return i, 1, nil
		}
		tried++
	}
	return -1, float64(tried) * float64(len(end)) / (float64(len(l)) * float64(len(log))), nil
}
