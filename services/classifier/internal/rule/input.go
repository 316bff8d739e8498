package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/failure"
)

// MaxLine is the longest line, in bytes, that patterns see whole. Of a longer
// one they see the first and the last half of MaxLine, each as a line of its
// own under the same number.
const MaxLine = 64 << 10

// Text is a stretch of one log without gaps.
type Text struct {
	Source string
	Text   string
	// FirstLine is the number of its first line, from 1.
	FirstLine int
	// Tail is true for what follows the gap of a cut log. Its lines are counted
	// on from the head's as though nothing were missing.
	Tail bool
}

// Input is what rules are matched against.
type Input struct {
	Texts    []Text
	ExitCode *int
	Signal   int
	Reason   failure.Reason
	Engine   string
	// Peak and Limit are the peak of memory and the limit on it, in bytes; 0 is
	// not known.
	Peak, Limit int64
}

// NewInput returns the input that e and the engine of the job give. The tail
// of a cut log is a text of its own.
func NewInput(e failure.Evidence, engine string) Input {
	in := Input{ExitCode: e.ExitCode, Signal: e.Signal, Reason: e.Reason, Engine: engine, Limit: e.LimitBytes}
	if e.PeakBytes != nil {
		in.Peak = *e.PeakBytes
	}
	for _, l := range e.Logs {
		next := 1
		if l.Head != "" {
			in.Texts = append(in.Texts, Text{Source: l.Source, Text: l.Head, FirstLine: next})
			next += countLines(l.Head)
		}
		if l.Tail != "" {
			in.Texts = append(in.Texts, Text{Source: l.Source, Text: l.Tail, FirstLine: next, Tail: true})
		}
	}
	return in
}

// Notes says which lines were too long to be seen whole.
func (in Input) Notes() []string {
	var notes []string
	for _, t := range in.Texts {
		if len(t.Text) <= MaxLine {
			continue
		}
		for _, s := range spans(t.Text) {
			if s.long > 0 && s.first {
				notes = append(notes, fmt.Sprintf("%s line %d has %d bytes: rules see the first and the last %d KiB of it",
					t.Source, t.FirstLine+s.line, s.long, MaxLine/2>>10))
			}
		}
	}
	return notes
}

func countLines(s string) int {
	n := strings.Count(s, "\n")
	if s != "" && !strings.HasSuffix(s, "\n") {
		n++
	}
	return n
}

// span is what a pattern sees at once: a line, or one end of a very long one.
type span struct {
	start, end int // in the text, without the line's end
	line       int // from 0
	long       int // bytes of the whole line when it is too long, else 0
	first      bool
}

func spans(text string) []span {
	all := make([]span, 0, strings.Count(text, "\n")+1)
	for start, line := 0, 0; start < len(text); line++ {
		s, next := spanAt(text, start)
		end := s.end
		if n := end - start; n > MaxLine {
			all = append(all, span{start, start + MaxLine/2, line, n, true}, span{end - MaxLine/2, end, line, n, false})
		} else {
			all = append(all, span{start, end, line, 0, true})
		}
		start = next
	}
	return all
}

// spanAt returns the line that begins at a place, and where the next one does.
func spanAt(text string, start int) (s span, next int) {
	end, next := len(text), len(text)
	if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
		end, next = start+i, start+i+1
	}
	if end > start && text[end-1] == '\r' {
		end--
	}
	return span{start: start, end: end}, next
}

// pieces cuts a text so that no line of a piece is longer than MaxLine: the ends
// of a longer one are pieces of their own.
func pieces(text string, do func(from, until int, isLine bool)) {
	from := 0
	for at := 0; len(text)-at > MaxLine; {
		// Nearly always many lines end in the next MaxLine bytes.
		if i := strings.LastIndexByte(text[at:at+MaxLine+1], '\n'); i >= 0 {
			at += i + 1
			continue
		}
		s, next := spanAt(text, at)
		if s.end-s.start > MaxLine {
			do(from, at, false)
			do(s.start, s.start+MaxLine/2, true)
			do(s.end-MaxLine/2, s.end, true)
			from = next
		}
		at = next
	}
	do(from, len(text), false)
}

func (f *Facts) missing(in Input) []string {
	var all []string
	if len(f.ExitCodes) > 0 && (in.ExitCode == nil || !slices.Contains(f.ExitCodes, *in.ExitCode)) {
		all = append(all, fmt.Sprintf("facts.exit_codes: the exit code is %s, not one of %v", exitCode(in), f.ExitCodes))
	}
	if len(f.Signals) > 0 && !slices.Contains(f.Signals, in.Signal) {
		all = append(all, fmt.Sprintf("facts.signals: the signal is %d, not one of %v", in.Signal, f.Signals))
	}
	if len(f.Reasons) > 0 && !slices.Contains(f.Reasons, in.Reason) {
		all = append(all, fmt.Sprintf("facts.termination_reasons: the reason is %q, not one of %v", in.Reason, f.Reasons))
	}
	if len(f.Engines) > 0 && !slices.Contains(f.Engines, in.Engine) {
		all = append(all, fmt.Sprintf("facts.engines: the engine is %q, not one of %v", in.Engine, f.Engines))
	}
	if !f.reached(in) {
		all = append(all, fmt.Sprintf("facts.peak_percent: the peak of memory is %s, not at least %d %%", peak(in), f.PeakPercent))
	}
	return all
}

func (f *Facts) hold(in Input) bool {
	return (len(f.ExitCodes) == 0 || in.ExitCode != nil && slices.Contains(f.ExitCodes, *in.ExitCode)) &&
		(len(f.Signals) == 0 || slices.Contains(f.Signals, in.Signal)) &&
		(len(f.Reasons) == 0 || slices.Contains(f.Reasons, in.Reason)) &&
		(len(f.Engines) == 0 || slices.Contains(f.Engines, in.Engine)) &&
		f.reached(in)
}

// reached reports whether the peak of memory was close enough to its limit.
func (f *Facts) reached(in Input) bool {
	return f.PeakPercent == 0 || in.Limit > 0 && in.Peak > 0 && float64(in.Peak) >= float64(in.Limit)*float64(f.PeakPercent)/100
}

func peak(in Input) string {
	if in.Limit <= 0 || in.Peak <= 0 {
		return "not known, or there is no limit"
	}
	return fmt.Sprintf("%.0f %% of the limit", float64(in.Peak)/float64(in.Limit)*100)
}

func exitCode(in Input) string {
	if in.ExitCode == nil {
		return "not known"
	}
	return fmt.Sprint(*in.ExitCode)
}

// suits returns an input with this text for which the facts hold.
func (f *Facts) suits(source, text string) Input {
	in := Input{Texts: []Text{{Source: source, Text: text, FirstLine: 1}}}
	if len(f.ExitCodes) > 0 {
		in.ExitCode = &f.ExitCodes[0]
	}
	if len(f.Signals) > 0 {
		in.Signal = f.Signals[0]
	}
	if len(f.Reasons) > 0 {
		in.Reason = f.Reasons[0]
	}
	if len(f.Engines) > 0 {
		in.Engine = f.Engines[0]
	}
	if f.PeakPercent > 0 {
		in.Peak, in.Limit = 100, 100
	}
	return in
}
