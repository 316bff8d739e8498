package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
)

// enumValue is a flag that takes the names of a proto enum without their common
// prefix, in any case: "running" for STATE_RUNNING.
type enumValue struct {
	number protoreflect.EnumNumber
	names  map[string]protoreflect.EnumNumber
}

// addEnum gives cmd a flag for the values of the enum that zero is of.
func addEnum(cmd *cobra.Command, name, usage string, zero protoreflect.Enum) *enumValue {
	v := &enumValue{names: map[string]protoreflect.EnumNumber{}}
	values := zero.Descriptor().Values()
	for i := range values.Len() {
		if d := values.Get(i); d.Number() != 0 {
			v.names[strings.ToLower(screen.ShortName(d))] = d.Number()
		}
	}
	cmd.Flags().Var(v, name, usage+": "+oneOf(v.choices()))
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(v.choices(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return v
}

func (v *enumValue) choices() []string {
	all := make([]string, 0, len(v.names))
	for name := range v.names {
		all = append(all, name)
	}
	slices.SortFunc(all, func(a, b string) int { return int(v.names[a] - v.names[b]) })
	return all
}

// String implements pflag.Value.
func (v *enumValue) String() string {
	for name, n := range v.names {
		if n == v.number {
			return name
		}
	}
	return ""
}

// Type implements pflag.Value.
func (v *enumValue) Type() string { return "name" }

// Set implements pflag.Value.
func (v *enumValue) Set(s string) error {
	n, ok := v.names[strings.ToLower(strings.ReplaceAll(s, "-", "_"))]
	if !ok {
		return fmt.Errorf("must be %s", oneOf(v.choices()))
	}
	v.number = n
	return nil
}
