package serve

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// TestWhatACallSharesIsEqual: every sort of field, and what a newer caller sends.
func TestWhatACallSharesIsEqual(t *testing.T) {
	config, err := structpb.NewStruct(map[string]any{"memory": 4.0, "deep": map[string]any{"list": []any{"a", nil, true}}})
	if err != nil {
		t.Fatal(err)
	}
	want := &redrivev1.ReportFailureRequest{
		Attempt: &redrivev1.AttemptRef{Source: "x", Job: "j", Attempt: 3}, Config: config, Labels: map[string]string{"a": "1"}, Owner: "me",
		Evidence:    &redrivev1.Evidence{ExitCode: proto.Int32(1), Logs: []*redrivev1.Log{{Source: "stderr", Head: "text"}}},
		RetryPolicy: &redrivev1.RetryPolicy{UserRetries: proto.Int32(0)},
	}
	want.ProtoReflect().SetUnknown(protoreflect.RawFields(protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 7)))
	got := &redrivev1.ReportFailureRequest{}
	share(got, want)
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
