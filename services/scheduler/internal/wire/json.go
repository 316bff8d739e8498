package wire

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
)

// CheckJSON is errs.Invalid when an object has what JSON has no words for:
// protobuf can hold infinite numbers, and they would turn into texts.
func CheckJSON(field string, s *structpb.Struct) error {
	if err := checkObject(s); err != nil {
		return errs.Field(field, "is not JSON: %w", err)
	}
	return nil
}

func checkObject(s *structpb.Struct) error {
	for name, v := range s.GetFields() {
		if !utf8.ValidString(name) {
			return fmt.Errorf("the name %q is not UTF-8", name)
		}
		if err := checkValue(v); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}

func checkValue(v *structpb.Value) error {
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
		return checkObject(kind.StructValue)
	case *structpb.Value_ListValue:
		for i, v := range kind.ListValue.GetValues() {
			if err := checkValue(v); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
	}
	return nil
}
