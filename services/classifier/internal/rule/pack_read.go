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
		var all []error
		for _, text := range types.Errors {
			all = append(all, typeError(name, doc, text))
		}
		return f, errs.Fields(all...)
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
	for i := range of.NumField() {
		key, _, _ := strings.Cut(of.Field(i).Tag.Get("yaml"), ",")
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
	// atLine is where yaml found a value of another type.
	atLine = regexp.MustCompile(`^line (\d+): `)
	// wrongType is how yaml says what it found, and what it decodes into.
	wrongType = regexp.MustCompile("^cannot unmarshal !!(\\w+)( `.*`)? into (\\S+)$")
	// kinds are the names of what yaml found, and wanted those of Go's types.
	kinds  = map[string]string{"seq": "a list", "map": "a mapping"}
	wanted = map[string]string{"int": "a whole number", "string": "a text", "[]string": "a list of texts", "[]int": "a list of whole numbers"}
)

// typeError says of an error of yaml in which rule and field it is.
func typeError(name string, doc *yaml.Node, text string) error {
	m := atLine.FindStringSubmatch(text)
	if m == nil {
		return errs.Field(name, "is no rule pack: %s", text)
	}
	line, _ := strconv.Atoi(m[1]) // digits
	field := name
	for i, r := range elements(valueOf(doc, "rules")) {
		if r = target(r); r.Line > line {
			break
		}
		field = ruleField(name, i, scalar(valueOf(r, "id")))
		for n := 0; r.Kind == yaml.MappingNode && n < len(r.Content) && r.Content[n].Line <= line; n += 2 {
			field = ruleField(name, i, scalar(valueOf(r, "id"))) + "." + r.Content[n].Value
		}
	}
	return errs.Field(field, "%s, in line %d", plainTypeError(strings.TrimPrefix(text, m[0])), line)
}

// plainTypeError takes out of yaml's text what only programmers read.
func plainTypeError(text string) string {
	m := wrongType.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	found, want := cmp.Or(kinds[m[1]], strings.Trim(m[2], " `")), wanted[m[3]]
	if want == "" {
		want = map[bool]string{true: "a list", false: "a mapping"}[strings.HasPrefix(m[3], "[]")]
	}
	return fmt.Sprintf("is %s, must be %s", found, want)
}
