package server

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// ReplayFailure implements redrivev1.ClassifierServiceServer.
func (s *Server) ReplayFailure(ctx context.Context, req *redrivev1.ReplayFailureRequest) (*redrivev1.ReplayFailureResponse, error) {
	id, err := wire.FailureID("name", req.GetName())
	if err != nil {
		return nil, err
	}
	then, err := s.failures.Read(ctx, id)
	if err != nil {
		return nil, err
	}
	f, err := wire.FailureFromProto(then)
	if err != nil {
		return nil, err
	}
	now := wire.WithResult(then, finalize.Finalize(f.Matches, rule.NewInput(f.Evidence, f.Type.Engine)))
	if inputs := then.GetRecommendation().GetInputs(); inputs != nil {
		call, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		if now.Recommendation, err = s.recommender.ReplayRecommendation(call, &redrivev1.ReplayRecommendationRequest{Inputs: inputs}); err != nil {
			return nil, errs.FromStatus(err)
		}
	}
	differences := slices.Concat(differences("", then, now), differences("recommendation.", then.GetRecommendation(), now.GetRecommendation()))
	return &redrivev1.ReplayFailureResponse{Failure: now, Identical: len(differences) == 0, Differences: differences}, nil
}

// differences says which fields differ; a recommendation is looked into field
// by field of its own.
func differences(prefix string, then, now proto.Message) []string {
	var all []string
	fields := then.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		a, b := then.ProtoReflect().Get(f), now.ProtoReflect().Get(f)
		if a.Equal(b) || f.Message() != nil && f.Message().FullName() == "redrive.v1.Recommendation" {
			continue
		}
		all = append(all, fmt.Sprintf("%s%s was %s, is now %s", prefix, f.Name(), show(then, f), show(now, f)))
	}
	return all
}

// show writes one field of m, at most 300 bytes of it.
func show(m proto.Message, f protoreflect.FieldDescriptor) string {
	only := m.ProtoReflect().New()
	if !m.ProtoReflect().Has(f) {
		return "unset"
	}
	only.Set(f, m.ProtoReflect().Get(f))
	text, err := prototext.MarshalOptions{}.Marshal(only.Interface())
	if err != nil {
		return "not readable"
	}
	if len(text) > 300 {
		text = append(text[:297:297], "..."...)
	}
	return string(text)
}
