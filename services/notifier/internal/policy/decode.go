package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/errs"
)

// maxErrors are told of one file.
const maxErrors = 20

// decoder walks the nodes of a file and collects all that is wrong with it,
// with the line and the key.
type decoder struct {
	file   string
	lookup Lookup
	errs   []error
}

// node is a place in the file.
type node struct {
	*yaml.Node
	path string // such as "receivers[0].timeout"
}

func (d *decoder) fail(n node, format string, args ...any) {
	if len(d.errs) < maxErrors {
		key := n.path
		if key == "" {
			key = "the file"
		}
		d.errs = append(d.errs, errs.Field(fmt.Sprintf("%s:%d: %s", d.file, n.Line, key), format, args...))
	}
}

func quote(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strconv.Quote(s)
}

// root reads the one document of a file; ok is false when there is none.
func (d *decoder) root(data []byte) (n node, ok bool) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return n, false
	case err != nil:
		d.errs = append(d.errs, errs.Field(d.file, "is no YAML: %s", strings.TrimPrefix(err.Error(), "yaml: ")))
		return n, false
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		d.errs = append(d.errs, errs.Field(d.file, "must have one YAML document, has more"))
		return n, false
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return n, false
	}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return n, false
	}
	return node{top, ""}, true
}

// mapping returns the members of a mapping by key; an unknown key, or one that
// is there twice, is wrong.
func (d *decoder) mapping(n node, known ...string) map[string]node {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "must be a mapping with keys such as %s", known[0])
		return nil
	}
	members := make(map[string]node, len(known))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		path := key.Value
		if n.path != "" {
			path = n.path + "." + path
		}
		at := node{key, path}
		switch _, twice := members[key.Value]; {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			d.fail(node{key, n.path}, "a key must be a plain word")
		case !slices.Contains(known, key.Value):
			at.path = n.path
			d.fail(at, "the key %s is unknown; use %s", quote(key.Value), strings.Join(known, ", "))
		case twice:
			d.fail(at, "is there twice")
		default:
			members[key.Value] = node{value, path}
		}
	}
	return members
}

// list returns the elements of a sequence of at most limit.
func (d *decoder) list(n node, limit int) []node {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "must be a list")
		return nil
	}
	if len(n.Content) > limit {
		d.fail(n, "has %d elements; at most %d are allowed", len(n.Content), limit)
		return nil
	}
	all := make([]node, len(n.Content))
	for i, x := range n.Content {
		all[i] = node{x, fmt.Sprintf("%s[%d]", n.path, i)}
	}
	return all
}

// text reads a scalar; aliases are refused as everything else is.
func (d *decoder) text(n node) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.fail(n, "must be a text")
		return ""
	}
	if n.Value == "" {
		d.fail(n, "must not be empty")
	}
	return n.Value
}

func (d *decoder) number(n node, low, high int) int {
	i, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || i < low || i > high {
		d.fail(n, "must be a whole number from %d to %d", low, high)
		return low
	}
	return i
}

func (d *decoder) boolean(n node) bool {
	if n.Kind != yaml.ScalarNode || (n.Value != "true" && n.Value != "false") {
		d.fail(n, "must be true or false")
	}
	return n.Value == "true"
}

func (d *decoder) duration(n node, low, high time.Duration) time.Duration {
	span, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || span < low || span > high {
		d.fail(n, "must be a duration such as 10s, from %s to %s", low, high)
		return low
	}
	return span
}
