package patch

import (
	"strconv"
	"strings"

	"github.com/redrive-io/redrive/pkg/engine"
)

// validPointer reports whether s is a JSON pointer (RFC 6901). Every path has
// one spelling, so two pointers are the same place when they are the same text.
func validPointer(s string) bool {
	if s != "" && s[0] != '/' {
		return false
	}
	for {
		i := strings.IndexByte(s, '~')
		if i < 0 {
			return true
		}
		if s = s[i+1:]; s == "" || s[0] != '0' && s[0] != '1' {
			return false
		}
	}
}

// within reports whether the place that a pointer names is, contains or is part
// of the place of another.
func within(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

// lookup returns what pointer names in doc; ok is false when there is nothing.
func lookup(doc any, pointer string) (value any, ok bool) {
	if pointer == "" {
		return doc, true
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		switch at := doc.(type) {
		case map[string]any:
			if doc, ok = at[engine.Unescape(token)]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(token)
			// RFC 6901: no sign, no leading zeros.
			if err != nil || i < 0 || i >= len(at) || strconv.Itoa(i) != token {
				return nil, false
			}
			doc = at[i]
		default:
			return nil, false
		}
	}
	return doc, true
}
