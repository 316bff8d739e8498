package redact

import "strings"

// Config returns a copy of a configuration in which every value under a name
// that looks secret is Mask, at any depth, and secrets within other strings are
// masked as Text does. Numbers and booleans under "token" or "secret" stay: they
// are counts and switches.
//
// It is for records: failures, events, lists. What runs keeps the true values,
// and patches are guarded and applied on those; so a guard on another key holds
// as before, and one on a masked value would fail rather than apply wrongly.
func Config(config map[string]any) map[string]any {
	if config == nil {
		return nil
	}
	return members(ordinary, config)
}

// members masks what is below a name of kind k. A member "value" takes its kind
// from its neighbour "name", as in a list of environment variables.
func members(k kind, of map[string]any) map[string]any {
	masked := make(map[string]any, len(of))
	for key, v := range of {
		own := kindOf(key)
		if name, ok := of["name"].(string); ok && key == "value" {
			own = kindOf(name)
		}
		masked[key] = value(max(k, own), v)
	}
	return masked
}

// list masks the members of a list below a name of kind k, and what follows a
// flag such as "--password" in a list of arguments.
func list(k kind, of []any) []any {
	masked := make([]any, len(of))
	for i, v := range of {
		own := ordinary
		if i > 0 {
			if flag, ok := of[i-1].(string); ok && strings.HasPrefix(flag, "-") && !strings.Contains(flag, "=") {
				own = kindOf(flag)
			}
		}
		masked[i] = value(max(k, own), v)
	}
	return masked
}

func value(k kind, v any) any {
	switch v := v.(type) {
	case map[string]any:
		return members(k, v)
	case []any:
		return list(k, v)
	case string:
		if k != ordinary && v != "" {
			return Mask
		}
		return Text(v)
	case bool, nil:
		return v
	}
	if k > weak {
		return Mask
	}
	return v
}
