package jsonvalue_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/jsonvalue"
)

func TestBoundIsOne(t *testing.T) {
	for _, v := range []any{
		nil, true, -math.MaxFloat64, math.SmallestNonzeroFloat64, "", strings.Repeat("\x00", 40), strings.Repeat("<", 40), strings.Repeat("\u2028", 40), "é😀",
		[]any{},
		[]any{nil, []any{1.0, "x"}},
		map[string]any{},
		map[string]any{"": nil, "\x00\x00": map[string]any{"<<": 1e-300}},
	} {
		text, err := json.Marshal(v)
		if n, ok := jsonvalue.Bound(v); err != nil || !ok || n < len(text) {
			t.Errorf("bound of %q = %d, %v; as JSON it has %d bytes, %v", v, n, ok, len(text), err)
		}
	}
	for _, v := range []any{math.NaN(), math.Inf(-1), 1, "\xff", []any{"\xff"}, map[string]any{"\xff": 1.0}, map[string]any{"x": json.Number("1")}} {
		if _, ok := jsonvalue.Bound(v); ok {
			t.Errorf("Bound knows %v, which encoding/json changes or refuses", v)
		}
	}
}
