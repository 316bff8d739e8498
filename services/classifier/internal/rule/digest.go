package rule

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Digest names what r does where it decides: which failures it matches, in
// which place among the other rules, and what it says about a retry. Rules that
// differ only in their mode, in words for people, in their tests, or in what
// Redrive notes of them have the same digest.
func (r *Rule) Digest() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%q %d %q %q %q %q ", r.ID, r.Order, r.Sources, r.Any, r.All, r.None)
	fmt.Fprintf(&b, "%d %d %d %q %d ", r.Facts.ExitCodes, r.Facts.Signals, ints(r.Facts.Reasons), r.Facts.Engines, r.Facts.PeakPercent)
	fmt.Fprintf(&b, "%q %d %d %q", r.Class, r.EffectiveVerdict(), r.RetryAfter, r.YieldsTo)
	for _, op := range r.Remedy {
		fmt.Fprintf(&b, " %q %q %q", op.Op, op.Path, plainJSON(op.Value))
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:12])
}

// ints returns numbers without the names that they print as.
func ints[T ~int](all []T) []int {
	out := make([]int, len(all))
	for i, n := range all {
		out[i] = int(n)
	}
	return out
}

// plainJSON writes JSON in the one way that depends on its meaning alone.
func plainJSON(raw []byte) []byte {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return raw // empty, for an operation without a value
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return plain
}
