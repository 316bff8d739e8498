package wire

import (
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/jsonvalue"
)

// CheckJSON is errs.Invalid when an object is not one of JSON.
func CheckJSON(field string, s *structpb.Struct) error {
	if err := jsonvalue.CheckStruct(s); err != nil {
		return errs.Field(field, "is not JSON: %w", err)
	}
	return nil
}
