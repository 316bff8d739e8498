package patch

import (
	"encoding/json"
	"reflect"
	"strconv"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
)

func FuzzResolve(f *testing.F) {
	for _, seed := range [][2]string{
		{`[{"op":"test","path":"/memory_mb","value":512},{"op":"replace","path":"/memory_mb","value":1024}]`, `{"memory_mb":512,"x":[null]}`},
		{`[{"op":"add","path":"/cores","value":2}]`, `{"env":{"a":"<&>\u2028"}}`},
		{`[{"op":"test","path":"/x/0/~0a","value":null},{"op":"add","path":"/memory_mb","value":8}]`, `{"x":[{"~a":null}]}`},
		{`[{"op":"test","path":"","value":{}},{"op":"add","path":"/memory_mb","value":1e3}]`, `{}`},
		{`[{"op":"test","path":"/cores","value":1},{"op":"remove","path":"/cores"}]`, `{"cores":1,"n":1e300,"m":-0.0}`},
		{`[{"op":"move","from":"/a","path":"/b"}]`, `null`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, list, doc string) {
		var ops []Operation
		var original config
		if json.Unmarshal([]byte(list), &ops) != nil || json.Unmarshal([]byte(doc), &original) != nil {
			return
		}
		p := Patch{ID: "p1", Scope: Scope{Type: etlType}, Type: etlType, Operations: ops, State: Active, Created: now, Expires: now.Add(1)}
		got, err := Resolve([]Patch{p}, target, original, Ceilings{}, now)
		if err != nil {
			return // too large
		}
		invalid := ValidateOperations("ops", ops, profile(t, engine.Process), Ceilings{})
		if applied := len(got.Applied) == 1; applied == (len(got.Skipped) == 1) || applied && invalid != nil {
			t.Fatalf("applied %v, skipped %v of operations that are %v", got.Applied, got.Skipped, invalid)
		}
		// What the operations name is all that differs.
		for _, o := range ops {
			if len(got.Applied) == 1 && o.Op != opTest {
				delete(got.Config, engine.Unescape(o.Path[1:]))
				delete(original, engine.Unescape(o.Path[1:]))
			}
		}
		if original == nil {
			original = config{}
		}
		if !reflect.DeepEqual(got.Config, original) {
			t.Fatalf("%s turned %s into %v elsewhere", list, doc, got.Config)
		}
	})
}

func FuzzPointer(f *testing.F) {
	f.Add("/foo/0", `{"foo":["bar"]}`)
	f.Add("", `[]`)
	f.Add("/~01", `{"~1":{"":[1,{"/":null}]}}`)
	f.Add("/a~", `1`)
	f.Fuzz(func(t *testing.T, pointer, text string) {
		var doc any
		if json.Unmarshal([]byte(text), &doc) != nil {
			return
		}
		if validPointer(pointer) {
			lookup(doc, pointer) // must not panic
		}
		var walk func(at any, pointer string)
		walk = func(at any, pointer string) {
			if got, ok := lookup(doc, pointer); !validPointer(pointer) || !ok || !reflect.DeepEqual(got, at) {
				t.Fatalf("lookup(%q) in %s = %v, %v, want %v", pointer, text, got, ok, at)
			}
			switch at := at.(type) {
			case map[string]any:
				for name, member := range at {
					walk(member, pointer+engine.Pointer(name))
				}
			case []any:
				for i, element := range at {
					walk(element, pointer+"/"+strconv.Itoa(i))
				}
			}
		}
		walk(doc, "")
	})
}
