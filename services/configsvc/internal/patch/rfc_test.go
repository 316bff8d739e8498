package patch

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

func decoded(t testing.TB, s string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The examples of RFC 6901, section 5.
func TestPointersOfTheRFC(t *testing.T) {
	doc := decoded(t, `{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}`)
	for pointer, want := range map[string]string{
		"/foo": `["bar","baz"]`, "/foo/0": `"bar"`, "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3",
		"/g|h": "4", `/i\j`: "5", `/k"l`: "6", "/ ": "7", "/m~0n": "8",
	} {
		if got, ok := lookup(doc, pointer); !ok || !reflect.DeepEqual(got, decoded(t, want)) {
			t.Errorf("lookup(%q) = %v, %v, want %s", pointer, got, ok, want)
		}
	}
	if got, ok := lookup(doc, ""); !ok || !reflect.DeepEqual(got, doc) {
		t.Errorf(`lookup("") = %v, want the document`, got)
	}
	for _, pointer := range []string{"/foo/2", "/foo/-", "/foo/-1", "/foo/01", "/foo/+1", "/foo/bar", "/foo/0/x", "/nope", "/nope/x"} {
		if got, ok := lookup(doc, pointer); ok {
			t.Errorf("lookup(%q) = %v, want nothing", pointer, got)
		}
	}
	for pointer, want := range map[string]bool{"": true, "/": true, "/a~0~1": true, "a": false, "/~": false, "/~2": false, "/a~": false} {
		if got := validPointer(pointer); got != want {
			t.Errorf("validPointer(%q) = %v, want %v", pointer, got, want)
		}
	}
}

// The examples of RFC 6902, appendix A, of the four operations that a patch may
// have, on a document that is an object as a configuration is. Of its members
// alone: no patch may change what is inside one. A.13 (a name twice in an
// operation) cannot be said in the API. Another implementation must agree.
func TestOperationsOfTheRFC(t *testing.T) {
	for _, tc := range []struct{ name, doc, ops, want string }{
		{"A.1 adding an object member", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"baz":"qux","foo":"bar"}`},
		{"inside: A.2 adding an array element", `{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, ``},
		{"A.3 removing an object member", `{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		{"inside: A.4 removing an array element", `{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, ``},
		{"A.5 replacing a value", `{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
		{"A.10 adding a nested member object", `{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"foo":"bar","child":{"grandchild":{}}}`},
		{"A.11 ignoring unrecognized elements", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, `{"foo":"bar","baz":"qux"}`},
		{"A.12 adding to a nonexistent target", `{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, ``},
		{"inside: A.16 adding an array value", `{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, ``},
		{"4.2 removing what is not there", `{"foo":1}`, `[{"op":"remove","path":"/baz"}]`, ``},
		{"4.3 replacing what is not there", `{"foo":1}`, `[{"op":"replace","path":"/baz","value":1}]`, ``},
		{"5 an error undoes what came before", `{"foo":1}`, `[{"op":"replace","path":"/foo","value":2},{"op":"remove","path":"/baz"}]`, ``},
		{"RFC 6901 has no negative index", `{"foo":[1,2]}`, `[{"op":"remove","path":"/foo/-1"}]`, ``},
		{"null is a value", `{"foo":null}`, `[{"op":"replace","path":"/foo","value":null},{"op":"add","path":"/bar","value":null}]`, `{"foo":null,"bar":null}`},
		{"~ escapes", `{"~":1,"/":2}`, `[{"op":"replace","path":"/~0","value":3},{"op":"replace","path":"/~1","value":4}]`, `{"~":3,"/":4}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := change(decoded(t, tc.doc).(config), decodeOps(t, tc.ops))
			if other, failed := elsewhere(t, tc.doc, tc.ops); (failed != nil) != (err != nil) && !strings.HasPrefix(tc.name, "inside") {
				t.Errorf("change = %v, %v; another implementation says %s, %v", got, err, other, failed)
			} else if failed == nil && err == nil && !reflect.DeepEqual(decoded(t, other), any(got)) {
				t.Errorf("change = %v; another implementation says %s", got, other)
			}
			if tc.want == "" {
				if err == nil {
					t.Errorf("change = %v, want an error", got)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, decoded(t, tc.want)) {
				t.Errorf("change = %v, %v, want %s", got, err, tc.want)
			}
		})
	}
}

// elsewhere applies operations with another implementation.
func elsewhere(t testing.TB, doc, ops string) (string, error) {
	t.Helper()
	list, err := jsonpatch.DecodePatch([]byte(ops))
	if err != nil {
		t.Fatal(err)
	}
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices = false
	changed, err := list.ApplyWithOptions([]byte(doc), options)
	return string(changed), err
}

// The examples with "test": A.8, A.9, A.14, A.15, and section 4.6.
func TestGuardsOfTheRFC(t *testing.T) {
	for _, tc := range []struct {
		name, doc, test string
		want            bool
	}{
		{"A.8 success", `{"baz":"qux","foo":["a",2,"c"]}`, `{"op":"test","path":"/baz","value":"qux"}`, true},
		{"A.8 success in an array", `{"baz":"qux","foo":["a",2,"c"]}`, `{"op":"test","path":"/foo/1","value":2}`, true},
		{"A.9 error", `{"baz":"qux"}`, `{"op":"test","path":"/baz","value":"bar"}`, false},
		{"A.14 ~ escape ordering", `{"/":9,"~1":10}`, `{"op":"test","path":"/~01","value":10}`, true},
		{"A.15 strings and numbers", `{"/":9,"~1":10}`, `{"op":"test","path":"/~01","value":"10"}`, false},
		{"4.6 numbers by value", `{"a":1.0}`, `{"op":"test","path":"/a","value":1e0}`, true},
		{"4.6 objects without order", `{"a":{"x":1,"y":[2]}}`, `{"op":"test","path":"/a","value":{"y":[2.0],"x":1}}`, true},
		{"4.6 arrays with order", `{"a":[1,2]}`, `{"op":"test","path":"/a","value":[2,1]}`, false},
		{"4.6 literals", `{"a":true}`, `{"op":"test","path":"/a","value":false}`, false},
		{"null", `{"a":null}`, `{"op":"test","path":"/a","value":null}`, true},
		{"null is not absence", `{}`, `{"op":"test","path":"/a","value":null}`, false},
		{"null in an array", `{"a":[null]}`, `{"op":"test","path":"/a","value":[null]}`, true},
		{"the whole document", `{"a":1}`, `{"op":"test","path":"","value":{"a":1}}`, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := resolver{original: decoded(t, tc.doc).(config)}
			err := r.guard(decodeOps(t, "["+tc.test+"]")[0], profile(t, "process"))
			if got := err == nil; got != tc.want {
				t.Errorf("guard holds: %v (%v), want %v", got, err, tc.want)
			}
		})
	}
}

func decodeOps(t testing.TB, s string) []Operation {
	t.Helper()
	var ops []Operation
	if err := json.Unmarshal([]byte(s), &ops); err != nil {
		t.Fatal(err)
	}
	return ops
}

func TestOperationsAreWrittenAsInTheRFC(t *testing.T) {
	got, err := json.Marshal([]Operation{{"test", "/a", nil}, {Op: "remove", Path: "/a"}, {"add", "/b", 1.5}})
	want := `[{"op":"test","path":"/a","value":null},{"op":"remove","path":"/a"},{"op":"add","path":"/b","value":1.5}]`
	if err != nil || string(got) != want {
		t.Errorf("operations = %s, %v\nwant %s", got, err, want)
	}
}
