package command

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// replay classifies, searches and decides again from the record, and says what
// differs.
func (a *app) replay(ctx context.Context, conn *grpc.ClientConn, name string) error {
	again, err := redrivev1.NewClassifierServiceClient(conn).ReplayFailure(ctx, &redrivev1.ReplayFailureRequest{Name: name})
	if err != nil {
		return err
	}
	same := again.GetIdentical()
	a.verdictOnReplay("classification and recommendation", same, again.GetDifferences())

	scheduler := redrivev1.NewSchedulerServiceClient(conn)
	decision := failure.AttemptFromProto(again.GetFailure().GetAttempt()).DecisionName()
	stored, err := orNone(scheduler.GetDecision(ctx, &redrivev1.GetDecisionRequest{Name: decision}))
	if err != nil {
		return err
	}
	if stored == nil {
		_, _ = fmt.Fprintln(a.stdout, "decision: none was made") // the status tells
		return negativeUnless(same)
	}
	redone, err := scheduler.ReplayDecision(ctx, &redrivev1.ReplayDecisionRequest{Name: decision})
	if err != nil {
		return err
	}
	var differences []string
	if !redone.GetIdentical() {
		differences = decisionDifferences(stored, redone.GetDecision())
	}
	a.verdictOnReplay("decision", redone.GetIdentical(), differences)
	return negativeUnless(same && redone.GetIdentical())
}

func (a *app) verdictOnReplay(what string, same bool, differences []string) {
	if same {
		_, _ = fmt.Fprintf(a.stdout, "%s: %s\n", what, a.out.Good("identical")) // the status tells
		return
	}
	_, _ = fmt.Fprintf(a.stdout, "%s: %s\n", what, a.out.Bad("different")) // the status tells
	for _, d := range differences {
		a.lines(clean(d))
	}
}

func negativeUnless(ok bool) error {
	if ok {
		return nil
	}
	return errNegative
}

// decisionDifferences names the members that differ, a line each.
func decisionDifferences(before, after *redrivev1.Decision) (lines []string) {
	b, a := before.ProtoReflect(), after.ProtoReflect()
	fields := b.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if b.Get(f).Equal(a.Get(f)) {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: was %s, is %s", f.JSONName(), member(before, f.JSONName()), member(after, f.JSONName())))
	}
	return lines
}

// member writes one member of a message for people.
func member(m proto.Message, jsonName string) string {
	one := proto.Clone(m).ProtoReflect()
	fields := one.Descriptor().Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); f.JSONName() != jsonName {
			one.Clear(f)
		}
	}
	b, err := protojson.Marshal(one.Interface())
	if err != nil {
		return "?"
	}
	text := strings.TrimSuffix(strings.TrimPrefix(string(b), "{"), "}")
	if _, value, ok := strings.Cut(text, ":"); ok {
		return strings.TrimSpace(value)
	}
	return "not set"
}
