package engine

import (
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Operation is one operation of RFC 6902.
type Operation struct {
	Op    string // "test", "add", "replace" or "remove"
	Path  string // a JSON pointer
	Value any    // nil for "remove"
}

// Bounds are the values that a patch may give to one member.
type Bounds struct {
	Key string // the member of the configuration
	key key
}

// Check names what is wrong with a value that a patch gives to the member;
// field is the value's name in the request.
func (b Bounds) Check(field string, value any) error {
	_, err := b.key.parse(field, value)
	return err
}

// Memory returns value in bytes when the member is an amount of memory; a bad
// value is errs.Invalid.
func (b Bounds) Memory(field string, value any) (bytes int64, isMemory bool, err error) {
	n, err := b.key.parse(field, value)
	switch b.key.unit {
	case mebibytes, sizeInMiB, sizeInBytes:
		return int64(n), true, err
	}
	return 0, false, err
}

// Cores returns value when the member is a number of cores; a bad value is
// errs.Invalid.
func (b Bounds) Cores(field string, value any) (cores float64, isCores bool, err error) {
	n, err := b.key.parse(field, value)
	switch b.key.unit {
	case number, whole:
		return n, true, err
	}
	return 0, false, err
}

// Allowed returns the bounds of the member that a JSON pointer names; ok is
// false when no patch may touch it.
func (p Profile) Allowed(path string) (b Bounds, ok bool) {
	name, ok := strings.CutPrefix(path, "/")
	if !ok || strings.Contains(name, "/") {
		return Bounds{}, false
	}
	k, ok := p.key(Unescape(name))
	if !ok || k.readOnly || Pointer(k.name) != path {
		return Bounds{}, false
	}
	return Bounds{k.name, k}, true
}

// AllowedPaths returns every JSON pointer that a patch may touch, sorted.
func (p Profile) AllowedPaths() []string {
	var paths []string
	for _, k := range p.keys {
		if !k.readOnly {
			paths = append(paths, Pointer(k.name))
		}
	}
	slices.Sort(paths)
	return paths
}

// Pointer returns the JSON pointer (RFC 6901) of a member of the document.
func Pointer(member string) string {
	return "/" + escaper.Replace(member)
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

// Unescape returns what one reference token of a JSON pointer stands for.
func Unescape(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

// Overrides returns Changes of original into wanted and, of what wanted has as
// original again where before had something else, the operations that say so:
// beside them no patch applies that put something else there.
func (p Profile) Overrides(original, before, wanted map[string]any) ([]Operation, error) {
	all, err := p.Changes(original, wanted)
	if err != nil {
		return nil, err
	}
	away, err := p.Changes(original, before)
	if err != nil {
		return nil, errs.New(errs.KindOf(err), "configuration before: %w", err)
	}
	for _, o := range away {
		if o.Op != "test" || slices.ContainsFunc(all, func(c Operation) bool { return c.Path == o.Path }) {
			continue
		}
		all = append(all, o, Operation{"replace", o.Path, o.Value})
	}
	slices.SortStableFunc(all, func(a, b Operation) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// Changes returns the operations that turn the members of original that a patch
// may touch into those of wanted, by key, each guarded: a "test" of the original
// value before a "replace" or "remove", and an "add" only of what is absent. A
// member that has the same value already, however it is written, is left alone.
// A bad value is errs.Invalid.
func (p Profile) Changes(original, wanted map[string]any) ([]Operation, error) {
	before, err := p.parse(original)
	if err != nil {
		return nil, err
	}
	after, err := p.parse(wanted)
	if err != nil {
		return nil, errs.New(errs.KindOf(err), "wanted configuration: %w", err)
	}
	var ops []Operation
	for _, k := range p.keys {
		old, had := before.of(k.member), before.isSet[k.member]
		now, has := after.of(k.member), after.isSet[k.member]
		if k.readOnly || had == has && old == now {
			continue
		}
		path := Pointer(k.name)
		switch {
		case !had:
			ops = append(ops, Operation{"add", path, wanted[k.name]})
		case !has:
			ops = append(ops, Operation{"test", path, original[k.name]}, Operation{Op: "remove", Path: path})
		default:
			ops = append(ops, Operation{"test", path, original[k.name]}, Operation{"replace", path, wanted[k.name]})
		}
	}
	slices.SortStableFunc(ops, func(a, b Operation) int { return strings.Compare(a.Path, b.Path) })
	return ops, nil
}
