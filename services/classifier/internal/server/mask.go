package server

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// outputOnly are the fields of a rule that only Redrive sets; a caller's values
// of them are ignored. The name says which rule it is.
var outputOnly = []protoreflect.Name{"name", "revision", "built_in", "overridden", "create_time", "update_time", "etag", "pack", "author"}

// merge changes into by from (AIP-134): the fields of the mask, also to
// nothing; without a mask all that are set in from; with "*" all. A path that
// goes into facts changes that one fact.
func merge(into, from *redrivev1.Rule, paths []string) error {
	all := slices.Equal(paths, []string{"*"})
	if len(paths) == 0 || all {
		fields := from.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			if f := fields.Get(i); !slices.Contains(outputOnly, f.Name()) && (all || from.ProtoReflect().Has(f)) {
				copyField(into, from, f)
			}
		}
		return nil
	}
	for i, path := range paths {
		if fact, ok := factOf(path); ok {
			if into.Facts == nil {
				into.Facts = &redrivev1.RuleFacts{}
			}
			copyField(into.Facts, from.GetFacts(), fact)
			continue
		}
		f := from.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(path))
		if f == nil || slices.Contains(outputOnly, f.Name()) {
			return errs.Field(fmt.Sprintf("update_mask.paths[%d]", i), "%q is no field of a rule that can be changed", path)
		}
		copyField(into, from, f)
	}
	return nil
}

// factOf reads "facts.exit_codes" and the like.
func factOf(path string) (protoreflect.FieldDescriptor, bool) {
	const prefix = "facts."
	if len(path) <= len(prefix) || path[:len(prefix)] != prefix {
		return nil, false
	}
	f := (*redrivev1.RuleFacts)(nil).ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(path[len(prefix):]))
	return f, f != nil
}

// copyField sets the field in into to a copy of what it is in from.
func copyField(into, from proto.Message, f protoreflect.FieldDescriptor) {
	if !from.ProtoReflect().Has(f) {
		into.ProtoReflect().Clear(f)
		return
	}
	into.ProtoReflect().Set(f, proto.Clone(from).ProtoReflect().Get(f))
}

func clearField(p proto.Message, name protoreflect.Name) {
	p.ProtoReflect().Clear(p.ProtoReflect().Descriptor().Fields().ByName(name))
}
