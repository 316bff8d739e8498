package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// format is the value of -o.
type format string

var formats = []string{"table", "json", "yaml"}

// String implements pflag.Value.
func (f *format) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *format) Type() string { return "format" }

// Set implements pflag.Value.
func (f *format) Set(s string) error {
	if slices.Contains(formats, s) {
		*f = format(s)
		return nil
	}
	return fmt.Errorf("must be %s", oneOf(formats))
}

// addFormat gives cmd the flag -o.
func addFormat(cmd *cobra.Command) *format {
	f := format("table")
	cmd.Flags().VarP(&f, "output", "o", "how to show it: "+oneOf(formats))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return &f
}

// write writes a message as JSON or YAML.
func (f format) write(w io.Writer, m proto.Message) error {
	b, err := messageJSON(m)
	if err != nil {
		return err
	}
	return f.writeJSON(w, b)
}

// writeList writes messages as one object with one member, as the API does.
func writeList[T proto.Message](f format, w io.Writer, member string, all []T) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{%q:[", member)
	for i, m := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		one, err := messageJSON(m)
		if err != nil {
			return err
		}
		b.Write(one)
	}
	b.WriteString("]}")
	return f.writeJSON(w, b.Bytes())
}

func messageJSON(m proto.Message) ([]byte, error) {
	b, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var plain bytes.Buffer // protojson varies its blanks on purpose
	err = json.Compact(&plain, b)
	return plain.Bytes(), err
}

func (f format) writeJSON(w io.Writer, b []byte) error {
	if f == "yaml" {
		return writeYAML(w, b)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, b, "", "  "); err != nil {
		return err
	}
	pretty.WriteByte('\n')
	_, err := w.Write(pretty.Bytes())
	return err
}

// writeYAML writes JSON as YAML with the members in the same order: JSON is
// YAML in another layout.
func writeYAML(w io.Writer, b []byte) error {
	var n yaml.Node
	if err := yaml.Unmarshal(b, &n); err != nil {
		return err
	}
	unflow(&n)
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return err
	}
	return e.Close()
}

func unflow(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.Style = 0 // the encoder quotes where it must
		if strings.Contains(n.Value, "\n") {
			n.Style = yaml.LiteralStyle
		}
	}
	for _, c := range n.Content {
		unflow(c)
	}
}
