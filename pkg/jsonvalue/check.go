package jsonvalue

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
)

// CheckStruct says what of an object JSON has no words for: protobuf can hold
// infinite numbers, values of no kind and texts that are not UTF-8, and would
// turn them into something else. nil is an empty object.
func CheckStruct(s *structpb.Struct) error {
	for name, v := range s.GetFields() {
		if !utf8.ValidString(name) {
			return fmt.Errorf("the name %q is not UTF-8", name)
		}
		if err := CheckValue(v); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}

// CheckValue is CheckStruct for a value.
func CheckValue(v *structpb.Value) error {
	switch kind := v.GetKind().(type) {
	case nil:
		return errors.New("has no value, not even null")
	case *structpb.Value_NumberValue:
		if math.IsNaN(kind.NumberValue) || math.IsInf(kind.NumberValue, 0) {
			return fmt.Errorf("%g is not a number of JSON", kind.NumberValue)
		}
	case *structpb.Value_StringValue:
		if !utf8.ValidString(kind.StringValue) {
			return fmt.Errorf("%q is not UTF-8", kind.StringValue)
		}
	case *structpb.Value_StructValue:
		return CheckStruct(kind.StructValue)
	case *structpb.Value_ListValue:
		for i, v := range kind.ListValue.GetValues() {
			if err := CheckValue(v); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
	}
	return nil
}
