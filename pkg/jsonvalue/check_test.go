package jsonvalue_test

import (
	"math"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/jsonvalue"
)

// CheckStruct says what protobuf's own writer of JSON would say.
func TestCheckStruct(t *testing.T) {
	number, text := structpb.NewNumberValue, structpb.NewStringValue
	for name, v := range map[string]*structpb.Value{
		"number": number(1.5), "text": text("é"), "null": structpb.NewNullValue(), "bool": structpb.NewBoolValue(true),
		"infinite": number(math.Inf(1)), "no number": number(math.NaN()), "no UTF-8": text("\xff"), "nothing": {}, "nil": nil,
	} {
		for where, s := range map[string]*structpb.Struct{
			"member":  {Fields: map[string]*structpb.Value{"a": v}},
			"deep":    {Fields: map[string]*structpb.Value{"a": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"b": v}})}},
			"in list": {Fields: map[string]*structpb.Value{"a": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{number(1), v}})}},
		} {
			_, want := s.MarshalJSON()
			if got := jsonvalue.CheckStruct(s); (got == nil) != (want == nil) {
				t.Errorf("%s, %s: CheckStruct = %v, protojson says %v", name, where, got, want)
			}
		}
	}
	if err := jsonvalue.CheckStruct(nil); err != nil {
		t.Errorf("CheckStruct of none = %v", err)
	}
	if err := jsonvalue.CheckStruct(&structpb.Struct{Fields: map[string]*structpb.Value{"\xff": number(1)}}); err == nil {
		t.Error("CheckStruct of a name that is not UTF-8 = nil")
	}
}

func FuzzCheckStruct(f *testing.F) {
	for _, v := range []map[string]any{{"a": 1.5}, {"a": []any{nil, true, map[string]any{"b": "c"}}}} {
		s, err := structpb.NewStruct(v)
		if err != nil {
			f.Fatal(err)
		}
		raw, err := proto.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := &structpb.Struct{}
		if proto.Unmarshal(raw, s) != nil {
			return
		}
		_, want := s.MarshalJSON()
		if got := jsonvalue.CheckStruct(s); (got == nil) != (want == nil) {
			t.Errorf("CheckStruct = %v, protojson says %v", got, want)
		}
	})
}
