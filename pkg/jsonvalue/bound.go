// Package jsonvalue judges values of JSON without writing them, which would cost
// more than nearly all of them need.
package jsonvalue

import (
	"math"
	"unicode/utf8"
)

// Most bytes that encoding/json writes: for a byte of a text ("\u0000"), and for
// a number, a literal or what stands around a value.
const (
	MostByte  = 6
	MostValue = 32
)

// Bound returns a number of bytes that v does not exceed as JSON; ok is false
// when v is not as encoding/json decodes it, and encoding/json must be asked.
func Bound(v any) (n int, ok bool) {
	n = MostValue
	switch v := v.(type) {
	case nil, bool:
	case float64:
		return n, !math.IsNaN(v) && !math.IsInf(v, 0)
	case string:
		return n + MostByte*len(v), utf8.ValidString(v)
	case []any:
		for _, element := range v {
			m, ok := Bound(element)
			if !ok {
				return 0, false
			}
			n += m
		}
	case map[string]any:
		for name, member := range v {
			m, ok := Bound(member)
			if !ok || !utf8.ValidString(name) {
				return 0, false
			}
			n += m + MostByte*len(name)
		}
	default:
		return 0, false
	}
	return n, true
}
