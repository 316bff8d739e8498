package patch

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestACopyIsWhatEncodingJSONDecodes(t *testing.T) {
	for _, v := range []any{
		nil, true, -math.MaxFloat64, math.SmallestNonzeroFloat64, "", strings.Repeat("\x00", 40), strings.Repeat("<", 40), strings.Repeat("\u2028", 40), "é😀",
		[]any{},
		[]any{nil, []any{1.0, "x"}},
		map[string]any{},
		map[string]any{"": nil, "\x00\x00": map[string]any{"<<": 1e-300}},
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got := copied(v); !reflect.DeepEqual(got, v) || !reflect.DeepEqual(got, decoded(t, string(text))) {
			t.Errorf("the copy of %v is %v", v, got)
		}
	}
}

func TestCanonicalIsWhatEncodingJSONMakesOfIt(t *testing.T) {
	for seed := range uint64(200) {
		c := world{rand.New(rand.NewPCG(seed, 2))}.config()
		if seed%3 == 0 {
			c["int"], c["bad"] = 7, "\xff"
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := canonical(c); err != nil || !reflect.DeepEqual(any(got), decoded(t, string(text))) {
			t.Fatalf("canonical of %v = %v, %v", c, got, err)
		}
	}
}
