package docstore

import "github.com/redrive-io/redrive/pkg/errs"

// Validate is errs.Invalid when writes can be no Commit: a limit is passed or a
// document is written twice. Drivers call it.
func Validate(writes []Write) error {
	if len(writes) > MaxWrites {
		return errs.New(errs.Invalid, "%d writes in one commit; at most %d are allowed", len(writes), MaxWrites)
	}
	type place struct{ kind, id string }
	seen := make(map[place]bool, len(writes))
	total := 0
	for _, w := range writes {
		if err := w.validate(); err != nil {
			return err
		}
		if seen[place{w.Kind, w.ID}] {
			return errs.New(errs.Invalid, "%s %q is written twice in one commit", w.Kind, w.ID)
		}
		seen[place{w.Kind, w.ID}] = true
		total += len(w.Value)
	}
	if total > MaxCommit {
		return errs.New(errs.Invalid, "the values of one commit have %d bytes; at most %d are allowed", total, MaxCommit)
	}
	return nil
}

func (w Write) validate() error {
	if err := validateKey(w.Kind, w.ID); err != nil {
		return err
	}
	switch {
	case w.Revision < AnyRevision:
		return errs.New(errs.Invalid, "%s %q: revision %d is none", w.Kind, w.ID, w.Revision)
	case len(w.Value) > MaxValue:
		return errs.New(errs.Invalid, "%s %q: the value has %d bytes; at most %d are allowed", w.Kind, w.ID, len(w.Value), MaxValue)
	case len(w.Index) > MaxEntries:
		return errs.New(errs.Invalid, "%s %q: %d index entries; at most %d are allowed", w.Kind, w.ID, len(w.Index), MaxEntries)
	}
	for i, e := range w.Index {
		if e.Name == "" || len(e.Name) > MaxKey || len(e.Value) > MaxKey {
			return errs.New(errs.Invalid, "%s %q: index %.40q: the name must have 1 to %d bytes and the value at most as many", w.Kind, w.ID, e.Name, MaxKey)
		}
		for _, other := range w.Index[:i] {
			if other.Name == e.Name {
				return errs.New(errs.Invalid, "%s %q: two entries in index %q", w.Kind, w.ID, e.Name)
			}
		}
	}
	return nil
}

// Validate is errs.Invalid when q cannot be answered. Drivers call it.
func (q Query) Validate() error {
	switch {
	case q.Kind == "" || len(q.Kind) > MaxKey:
		return errs.New(errs.Invalid, "query: the kind must have 1 to %d bytes, has %d", MaxKey, len(q.Kind))
	case len(q.Index) > MaxKey:
		return errs.New(errs.Invalid, "query of %s: the index name has %d bytes; at most %d are allowed", q.Kind, len(q.Index), MaxKey)
	case q.Limit < 0:
		return errs.New(errs.Invalid, "query of %s: limit %d is negative", q.Kind, q.Limit)
	}
	return nil
}

// ForCount returns q without what Count ignores. It is errs.Invalid when q and
// most cannot be answered. Drivers call it.
func (q Query) ForCount(most int) (Query, error) {
	q.Limit, q.After, q.Descending = 0, "", false
	if most < 0 {
		return q, errs.New(errs.Invalid, "count of %s: at most %d cannot be; 0 is no bound", q.Kind, most)
	}
	return q, q.Validate()
}

// PageLimit is q.Limit with the default and the bound applied.
func (q Query) PageLimit() int {
	if q.Limit == 0 {
		return DefaultLimit
	}
	return min(q.Limit, MaxLimit)
}

func validateKey(kind, id string) error {
	if kind == "" || len(kind) > MaxKey || id == "" || len(id) > MaxKey {
		return errs.New(errs.Invalid, "kind %.40q, id %.40q: each must have 1 to %d bytes, has %d and %d", kind, id, MaxKey, len(kind), len(id))
	}
	return nil
}
