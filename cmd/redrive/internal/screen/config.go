package screen

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
)

// Change is one member of a configuration that differs. Before or After is ""
// where the member is absent.
type Change struct {
	Path, Before, After string
}

// String returns "memory_mb 128 → 256".
func (c Change) String() string {
	switch {
	case c.Before == "":
		return c.Path + " → " + c.After + " (added)"
	case c.After == "":
		return c.Path + " " + c.Before + " → (removed)"
	default:
		return c.Path + " " + c.Before + " → " + c.After
	}
}

// Changes returns what differs from before to after, ordered by path. Members
// of members are written "a/b".
func Changes(before, after *structpb.Struct) []Change {
	b, a := map[string]string{}, map[string]string{}
	flatten(b, "", before)
	flatten(a, "", after)
	all := maps.Clone(b)
	maps.Copy(all, a)
	var changes []Change
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if b[path] != a[path] {
			changes = append(changes, Change{path, b[path], a[path]})
		}
	}
	return changes
}

// Config writes a configuration on one line: "cores=2 memory_mb=128".
func Config(s *structpb.Struct) string {
	flat := map[string]string{}
	flatten(flat, "", s)
	parts := make([]string, 0, len(flat))
	for _, path := range slices.Sorted(maps.Keys(flat)) {
		parts = append(parts, path+"="+flat[path])
	}
	return strings.Join(parts, " ")
}

func flatten(into map[string]string, prefix string, s *structpb.Struct) {
	for key, v := range s.GetFields() {
		path := prefix + Clean(key)
		if sub := v.GetStructValue(); sub != nil && len(sub.GetFields()) > 0 {
			flatten(into, path+"/", sub)
			continue
		}
		into[path] = Value(v)
	}
}

// Value writes one value of a configuration: texts without quotes, everything
// else as JSON.
func Value(v *structpb.Value) string {
	if s, ok := v.GetKind().(*structpb.Value_StringValue); ok {
		return Clean(s.StringValue)
	}
	b, err := json.Marshal(v.AsInterface())
	if err != nil { // NaN and infinity are numbers here and not in JSON
		return "?"
	}
	return Clean(string(b))
}
