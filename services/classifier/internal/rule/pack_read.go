package rule

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/errs"
)

// readFile reads the YAML of one pack strictly: keys that are not known, and
// values of another type, are errors that name rule and field.
func readFile(name string, doc *yaml.Node) (packFile, error) {
	var f packFile
	if doc.Kind != yaml.MappingNode {
		return f, errs.Field(name, "is no rule pack: it must be a mapping with pack and rules")
	}
	err := doc.Decode(&f) // it refuses what contains itself
	if types, ok := errors.AsType[*yaml.TypeError](err); ok {
		return f, typeErrors(name, doc, types.Errors)
	}
	if err != nil {
		return f, errs.Field(name, "is no rule pack: %w", err)
	}
	return f, checkPackKeys(name, doc)
}

// The keys of a pack and of what is in it.
var (
	fileKeys      = keysOf[packFile]()
	ruleKeys      = keysOf[packRule]()
	factsKeys     = keysOf[packFacts]()
	operationKeys = keysOf[packOperation]()
)

func keysOf[T any]() (keys []string) {
	of := reflect.TypeFor[T]()
	for field := range of.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		keys = append(keys, key)
	}
	return keys
}

func checkPackKeys(name string, doc *yaml.Node) error {
	all := []error{checkKeys(name+": ", "a pack", doc, fileKeys)}
	for i, r := range elements(valueOf(doc, "rules")) {
		field := ruleField(name, i, scalar(valueOf(r, "id"))) + "."
		all = append(all, checkKeys(field, "a rule", r, ruleKeys), checkKeys(field+"facts.", "a rule's facts", valueOf(r, "facts"), factsKeys))
		for n, op := range elements(valueOf(r, "remedy")) {
			all = append(all, checkKeys(field+"remedy["+strconv.Itoa(n)+"].", "an operation", op, operationKeys))
		}
	}
	return errs.Fields(all...)
}

func checkKeys(field, thing string, n *yaml.Node, known []string) error {
	var all []error
	for key, value := range members(n) {
		switch {
		case key == "<<":
			for _, merged := range append(elements(value), value) {
				all = append(all, checkKeys(field, thing, merged, known))
			}
		case !slices.Contains(known, key):
			all = append(all, errs.Field(field+cut(key, 80), "is no field of %s, which are %s", thing, strings.Join(known, ", ")))
		}
	}
	return errs.Fields(all...)
}

// target is what an alias stands for, and any other node itself.
func target(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// members are the keys and values of a mapping; none of anything else.
func members(n *yaml.Node) func(yield func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		if n = target(n); n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(target(n.Content[i]).Value, n.Content[i+1]) {
				return
			}
		}
	}
}

// elements are those of a list; none of anything else.
func elements(n *yaml.Node) []*yaml.Node {
	if n = target(n); n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

func valueOf(n *yaml.Node, key string) *yaml.Node {
	for k, v := range members(n) {
		if k == key {
			return target(v)
		}
	}
	return nil
}

func scalar(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return n.Value
}

var (
	// wrongType is how yaml says where it found what, and what it decodes into.
	wrongType = regexp.MustCompile("^line (\\d+): cannot unmarshal !!(\\w+)( `.*`)? into (\\S+)$")
	// kinds are the names of what yaml found, and wanted those of Go's types.
	kinds  = map[string]string{"seq": "a list", "map": "a mapping"}
	wanted = map[string]string{"int": "a whole number", "string": "a text", "[]string": "a list of texts", "[]int": "a list of whole numbers"}
)

// typeErrors says of what yaml did not decode in which rule and field it is.
func typeErrors(name string, doc *yaml.Node, all []string) error {
	var found []error
	for i, r := range elements(valueOf(doc, "rules")) {
		r = target(r)
		field := ruleField(name, i, scalar(valueOf(r, "id")))
		if r.Kind != yaml.MappingNode {
			found = append(found, typesOf(field, r, new(packRule)))
			continue
		}
		for n := 0; n+1 < len(r.Content); n += 2 {
			alone := &yaml.Node{Kind: yaml.MappingNode, Tag: r.Tag, Content: r.Content[n : n+2], Line: r.Line}
			found = append(found, typesOf(field+"."+target(r.Content[n]).Value, alone, new(packRule)))
		}
	}
	if err := errs.Fields(found...); err != nil {
		return err
	}
	for _, text := range all { // of the pack itself, or of two fields together
		found = append(found, errs.Field(name, "is no rule pack: %s", plainTypeError(text)))
	}
	return errs.Fields(found...)
}

// typesOf decodes n and says what of it is of another type.
func typesOf(field string, n *yaml.Node, into any) error {
	types, ok := errors.AsType[*yaml.TypeError](n.Decode(into))
	if !ok {
		return nil
	}
	var all []error
	for _, text := range types.Errors {
		all = append(all, errs.Field(field, "%s", plainTypeError(text)))
	}
	return errs.Fields(all...)
}

// plainTypeError takes out of yaml's text what only programmers read.
func plainTypeError(text string) string {
	m := wrongType.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	found, want := cmp.Or(kinds[m[2]], strings.Trim(m[3], " `")), wanted[m[4]]
	if want == "" {
		want = map[bool]string{true: "a list", false: "a mapping"}[strings.HasPrefix(m[4], "[]")]
	}
	return fmt.Sprintf("is %s, must be %s, in line %s", found, want, m[1])
}
