package driver

import (
	"bytes"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// Window is a range of keys: Low ≤ key < High. nil is unbounded.
type Window struct{ Low, High []byte }

// WindowOf turns the bounds and the cursor of q into keys of its order: ids, or
// the keys of its index. A cursor is the key that it stands for.
func WindowOf(q docstore.Query) (Window, error) {
	var w Window
	bound := func(s string) []byte {
		switch {
		case s == "":
			return nil
		case q.Index == "":
			return []byte(s)
		default:
			return ValueKey(s)
		}
	}
	w.Low, w.High = bound(q.From), bound(q.Until)
	if q.After == "" {
		return w, nil
	}
	after := []byte(q.After)
	if q.Index != "" {
		if _, ok := IDOfIndexKey(after); !ok {
			return w, errs.New(errs.Invalid, "query of %s: after is not a cursor of index %q", q.Kind, q.Index)
		}
	}
	if q.Descending {
		if w.High == nil || bytes.Compare(after, w.High) < 0 {
			w.High = after
		}
		return w, nil
	}
	// The least key behind after is after with a 0x00 appended.
	if next := append(after, 0); bytes.Compare(next, w.Low) > 0 {
		w.Low = next
	}
	return w, nil
}
