package patch

import (
	"encoding/json"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/jsonvalue"
)

// canonical returns a copy of a configuration as encoding/json decodes it, so
// that values compare by what they are.
func canonical(config map[string]any) (map[string]any, error) {
	if n, ok := jsonvalue.Bound(config); ok && n <= MaxConfig {
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
	if _, ok := jsonvalue.Bound(v); ok {
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

// copied returns a deep copy of what jsonvalue.Bound knows.
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
