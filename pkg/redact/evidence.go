package redact

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/redrive-io/redrive/pkg/failure"
)

// Bounds of the words in evidence, in bytes.
const (
	maxSource  = 63
	maxWord    = 256
	maxShape   = 128
	maxProof   = 1024
	maxURI     = 1024
	maxProblem = 512
)

// Evidence returns e as it may be stored and sent: without secrets, in valid
// UTF-8, with at most failure.MaxLogs logs (the first ones) and
// failure.MaxLogBytes of log text. Logs that are too long keep their head and,
// three times as long, their tail, cut at the ends of lines where there are
// any, and are marked as truncated; short logs are not cut for the sake of long
// ones. Evidence of the result is the result.
func Evidence(e failure.Evidence) failure.Evidence {
	e.Proof = word(Text(e.Proof), maxProof)
	e.Node, e.MemoryDriver = word(e.Node, maxWord), word(e.MemoryDriver, maxWord)
	e.Shape.Name, e.Shape.InstanceType = word(Text(e.Shape.Name), maxShape), word(e.Shape.InstanceType, maxShape)
	e.PartPeaks = parts(e.PartPeaks)
	logs := make([]failure.Log, 0, min(len(e.Logs), failure.MaxLogs))
	sizes := make([]int, 0, cap(logs))
	for _, l := range e.Logs[:cap(logs)] {
		if l.SizeBytes == 0 {
			l.SizeBytes = int64(len(l.Head) + len(l.Tail))
		}
		l.Source, l.URI = word(l.Source, maxSource), word(Text(l.URI), maxURI)
		l.Head, l.Tail = text(l.Head), text(l.Tail)
		l.Problem = word(Text(l.Problem), maxProblem)
		logs, sizes = append(logs, l), append(sizes, len(l.Head)+len(l.Tail))
	}
	share := fairShare(sizes, failure.MaxLogBytes)
	for i := range logs {
		cutLog(&logs[i], share)
	}
	e.Logs = logs
	return e
}

// parts returns the first failure.MaxParts members, by name, that a peak can be.
func parts(peaks map[string]int64) map[string]int64 {
	var kept map[string]int64
	for _, name := range slices.Sorted(maps.Keys(peaks)) {
		if len(kept) == failure.MaxParts || peaks[name] <= 0 || !partName.MatchString(name) {
			continue
		}
		if kept == nil {
			kept = map[string]int64{}
		}
		kept[name] = peaks[name]
	}
	return kept
}

// partName is what a part of an engine may be called.
var partName = regexp.MustCompile(`^[a-z][a-z.]{0,62}$`)

func text(s string) string { return Text(valid(s, string(utf8.RuneError))) }

// valid is strings.ToValidUTF8, for texts that nearly always are.
func valid(s, replacement string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, replacement)
}

// word is the beginning of s, at most n bytes.
func word(s string, n int) string { return head(valid(s, ""), n) }

// fairShare returns the largest n such that the sizes, each cut to n, fit into
// total.
func fairShare(sizes []int, total int) int {
	low, high := 0, total
	for low < high {
		n, sum := (low+high+1)/2, 0
		for _, size := range sizes {
			sum += min(size, n)
		}
		if sum <= total {
			low = n
		} else {
			high = n - 1
		}
	}
	return low
}

// cutLog cuts the text of l to n bytes.
func cutLog(l *failure.Log, n int) {
	if len(l.Head)+len(l.Tail) <= n {
		return
	}
	l.Truncated = true
	if l.Tail == "" {
		whole := l.Head
		l.Head = head(whole, n/4)
		l.Tail = tail(whole[len(l.Head):], n-n/4)
		return
	}
	keep := max(n/4, n-len(l.Tail))
	l.Head = head(l.Head, keep)
	l.Tail = tail(l.Tail, n-len(l.Head))
}

// maxPartial is how much more is cut off to cut at the end of a line.
const maxPartial = 4 << 10

// head returns at most n bytes from the beginning of s: whole lines where they
// are short, and never a part of a Mask or of a character.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if i := strings.LastIndexByte(s[:n], '\n'); i >= n-min(maxPartial, n/2) && i > 0 {
		return s[:i+1]
	}
	if from, _ := maskOver(s, n); from >= 0 {
		n = from
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// tail returns at most n bytes from the end of s, cut like head.
func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	at := len(s) - n
	if i := strings.IndexByte(s[at:], '\n'); i >= 0 && i < min(maxPartial, n/2) {
		return s[at+i+1:]
	}
	if _, to := maskOver(s, at); to >= 0 {
		at = to
	}
	for at < len(s) && !utf8.RuneStart(s[at]) {
		at++
	}
	return s[at:]
}

// maskOver returns where the Mask begins and ends that goes over i, or -1.
func maskOver(s string, i int) (from, to int) {
	low := max(0, i-len(Mask)+1)
	if k := strings.Index(s[low:min(len(s), i+len(Mask)-1)], Mask); k >= 0 && low+k < i {
		return low + k, low + k + len(Mask)
	}
	return -1, -1
}
