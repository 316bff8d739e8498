package patch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/jsonvalue"
)

// Bounds of the operations of one patch.
const (
	MaxOperations = 64
	MaxBytes      = 16 << 10 // of all operations, as JSON
)

// The operations of RFC 6902 that a patch may have.
const (
	opTest    = "test"
	opAdd     = "add"
	opReplace = "replace"
	opRemove  = "remove"
)

// Ceilings bound what any patch may set, beside the bounds of the engine's
// profile; 0 is no bound.
type Ceilings struct {
	Memory int64   // bytes of one member
	Cores  float64 // of one member
}

// Operation is one operation of RFC 6902. Value is JSON as encoding/json decodes
// it; nil is JSON's null, and nothing at all for "remove".
type Operation struct {
	Op, Path string
	Value    any
}

// MarshalJSON writes the operation as RFC 6902 does.
func (o Operation) MarshalJSON() ([]byte, error) {
	if o.Op == opRemove {
		return json.Marshal(map[string]any{"op": o.Op, "path": o.Path})
	}
	return json.Marshal(map[string]any{"op": o.Op, "path": o.Path, "value": o.Value})
}

// ValidateOperations names what is wrong with the operations of a patch for an
// engine; field is the name of the list in the request.
//
// Guards are on the job's original configuration. So every "test" stands before
// the change of what it tests; a "replace" or "remove" needs a "test" of the same
// path; an "add" needs none, it applies only where the member is absent; and no
// path is changed twice. Only members that the engine's profile allows are
// changed, and no value is beyond the profile's bounds or c.
func ValidateOperations(field string, ops []Operation, p engine.Profile, c Ceilings) error {
	if len(ops) == 0 || len(ops) > MaxOperations {
		return errs.Field(field, "must have 1 to %d operations, has %d", MaxOperations, len(ops))
	}
	if err := validateSize(field, ops); err != nil {
		return err
	}
	v := validation{profile: p, ceil: c}
	var wrong []error
	for i, o := range ops {
		wrong = append(wrong, v.operation(fmt.Sprintf("%s[%d]", field, i), o))
	}
	if len(v.changed) == 0 && errs.Fields(wrong...) == nil {
		return errs.Field(field, "only tests: a patch must change something")
	}
	return errs.Fields(wrong...)
}

// validateSize encodes only what may be too large.
func validateSize(field string, ops []Operation) error {
	n, ok := 0, true
	for _, o := range ops {
		value, known := jsonvalue.Bound(o.Value)
		n, ok = n+value+jsonvalue.MostValue+jsonvalue.MostByte*(len(o.Op)+len(o.Path)), ok && known
	}
	if ok && n <= MaxBytes {
		return nil
	}
	text, err := json.Marshal(ops)
	if err != nil {
		return errs.Field(field, "has a value that is not JSON: %w", err)
	}
	if len(text) > MaxBytes {
		return errs.Field(field, "must have at most %d bytes as JSON, has %d", MaxBytes, len(text))
	}
	return nil
}

// validation is what the operations before one have said.
type validation struct {
	profile engine.Profile
	ceil    Ceilings
	tested  []string
	changed []string
}

func (v *validation) operation(field string, o Operation) error {
	if !validPointer(o.Path) {
		return errs.Field(field+".path", "%.80q is not a JSON pointer, such as %q", o.Path, v.example())
	}
	switch o.Op {
	case opTest:
		return v.test(field, o)
	case opAdd, opReplace, opRemove:
		return v.change(field, o)
	}
	return errs.Field(field+".op", `%.80q is not one of "test", "add", "replace" and "remove"`, o.Op)
}

func (v *validation) test(field string, o Operation) error {
	for _, path := range v.changed {
		if within(o.Path, path) {
			return errs.Field(field+".path", "tests %s after a change of it; tests are of the original configuration and come first", o.Path)
		}
	}
	v.tested = append(v.tested, o.Path)
	return nil
}

func (v *validation) change(field string, o Operation) error {
	if slices.Contains(v.changed, o.Path) {
		return errs.Field(field+".path", "%s is changed twice", o.Path)
	}
	v.changed = append(v.changed, o.Path)
	guarded := slices.Contains(v.tested, o.Path)
	switch {
	case guarded && o.Op == opAdd:
		return errs.Field(field+".op", `adds %s, which a test before it wants to exist; use "replace"`, o.Path)
	case !guarded && o.Op != opAdd:
		return errs.Field(field+".path", `%s is not guarded: put a "test" of its original value before it`, o.Path)
	}
	return checkChange(field, o, v.profile, v.ceil)
}

func (v *validation) example() string { return v.profile.AllowedPaths()[0] }

// checkChange names what is wrong with one change: the path must be allowed and
// the value within bounds.
func checkChange(field string, o Operation, p engine.Profile, c Ceilings) error {
	b, ok := p.Allowed(o.Path)
	switch {
	case !ok:
		return errs.Field(field+".path", "%.80q may not be changed; of engine %s only %s may", o.Path, p.Name(), strings.Join(p.AllowedPaths(), ", "))
	case o.Op == opRemove:
		return nil
	}
	field += ".value"
	bytes, isMemory, err := b.Memory(field, o.Value)
	if err != nil {
		return err
	}
	if isMemory && c.Memory > 0 && bytes > c.Memory {
		return errs.Field(field, "%s is beyond the ceiling of %s", text(o.Value), engine.FormatSize(c.Memory))
	}
	n, isCores, err := b.Cores(field, o.Value)
	if err != nil {
		return err
	}
	if isCores && c.Cores > 0 && n > c.Cores {
		return errs.Field(field, "%s is beyond the ceiling of %g cores", text(o.Value), c.Cores)
	}
	return nil
}
