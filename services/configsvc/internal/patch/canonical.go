package patch

import (
	"encoding/json"
	"math"
	"unicode/utf8"

	"github.com/redrive-io/redrive/pkg/errs"
)

// canonical returns a copy of a configuration as encoding/json decodes it, so
// that values compare by what they are.
func canonical(config map[string]any) (map[string]any, error) {
	if n, ok := bound(config); ok && n <= MaxConfig {
		return copied(config).(map[string]any), nil
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, errs.Field("config", "is not JSON: %w", err)
	}
	if len(text) > MaxConfig {
		return nil, errs.Field("config", "must have at most %d bytes as JSON, has %d", MaxConfig, len(text))
	}
	decoded := map[string]any{}
	if err := json.Unmarshal(text, &decoded); err != nil {
		return nil, errs.Field("config", "is not JSON: %w", err)
	}
	return decoded, nil
}

// canonicalValue returns a value as encoding/json decodes it.
func canonicalValue(v any) (any, error) {
	if _, ok := bound(v); ok {
		return v, nil
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var decoded any
	err = json.Unmarshal(encoded, &decoded)
	return decoded, err
}

// Most bytes that encoding/json writes: for a byte of a text ("\u0000"), and for
// a number, a literal or what stands around a value.
const (
	mostByte  = 6
	mostValue = 32
)

// bound returns a number of bytes that v does not exceed as JSON; ok is false
// when v is not as encoding/json decodes it, and encoding/json must be asked.
// Nearly all configurations are far below their bounds, and need no encoding.
func bound(v any) (n int, ok bool) {
	n = mostValue
	switch v := v.(type) {
	case nil, bool:
	case float64:
		return n, !math.IsNaN(v) && !math.IsInf(v, 0)
	case string:
		return n + mostByte*len(v), utf8.ValidString(v)
	case []any:
		for _, element := range v {
			m, ok := bound(element)
			if !ok {
				return 0, false
			}
			n += m
		}
	case map[string]any:
		for name, member := range v {
			m, ok := bound(member)
			if !ok || !utf8.ValidString(name) {
				return 0, false
			}
			n += m + mostByte*len(name)
		}
	default:
		return 0, false
	}
	return n, true
}

// copied returns a deep copy of what bound knows.
func copied(v any) any {
	switch v := v.(type) {
	case []any:
		elements := make([]any, len(v))
		for i, element := range v {
			elements[i] = copied(element)
		}
		return elements
	case map[string]any:
		members := make(map[string]any, len(v))
		for name, member := range v {
			members[name] = copied(member)
		}
		return members
	}
	return v
}
