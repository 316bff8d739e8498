package wire

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
)

// Failure writes a failure for the wire.
func Failure(f record.Failure) (*redrivev1.Failure, error) {
	p := &redrivev1.Failure{
		Name: FailureName(f.ID()), Attempt: f.Attempt.Proto(), Type: f.Type.Proto(), Evidence: f.Evidence.Proto(),
		Labels: f.Labels, Owner: f.Owner, State: redrivev1.Failure_State(f.State), Patch: f.Patch, Warnings: f.Warnings,
		CreateTime: wellknown.Timestamp(f.CreateTime), UpdateTime: wellknown.Timestamp(f.UpdateTime),
	}
	for _, m := range f.Matches {
		p.Matches = append(p.Matches, Match(m))
	}
	setResult(p, f.Result)
	var err error
	if p.Config, err = structOf(f.Config); err != nil {
		return nil, errs.Field("config", "%w", err)
	}
	if p.AttemptConfig, err = structOf(f.AttemptConfig); err != nil {
		return nil, errs.Field("attempt_config", "%w", err)
	}
	if f.Recommendation != nil {
		p.Recommendation = &redrivev1.Recommendation{}
		if err := proto.Unmarshal(f.Recommendation.Raw, p.Recommendation); err != nil {
			return nil, errs.New(errs.Internal, "decode the recommendation: %w", err)
		}
		Whole(p)
	}
	if f.RetryPolicy != nil {
		p.RetryPolicy = &redrivev1.RetryPolicy{}
		if err := proto.Unmarshal(f.RetryPolicy, p.RetryPolicy); err != nil {
			return nil, errs.New(errs.Internal, "decode the retry policy: %w", err)
		}
	}
	return p, nil
}

// Whole puts into the recommendation of p the configurations that it was made
// for, which are those of p.
func Whole(p *redrivev1.Failure) {
	asked := p.GetRecommendation().GetInputs().GetRequest()
	if asked == nil {
		return
	}
	if asked.Config == nil {
		asked.Config = p.GetConfig()
	}
	if asked.AttemptConfig == nil {
		asked.AttemptConfig = p.GetAttemptConfig()
	}
}

// Lean takes out of p what Whole puts back.
func Lean(p *redrivev1.Failure) {
	asked := p.GetRecommendation().GetInputs().GetRequest()
	if asked == nil {
		return
	}
	if same(asked.GetConfig(), p.GetConfig()) {
		asked.Config = nil
	}
	if same(asked.GetAttemptConfig(), p.GetAttemptConfig()) {
		asked.AttemptConfig = nil
	}
}

func same(a, b *structpb.Struct) bool { return a == b || proto.Equal(a, b) }

func setResult(p *redrivev1.Failure, r finalize.Result) {
	p.Class, p.Category, p.Verdict = string(r.Class), redrivev1.Category(r.Category), redrivev1.Verdict(r.Verdict)
	p.Rule, p.Summary, p.Runbook, p.RetryAfter = RuleName(r.Rule), r.Summary, r.Runbook, wellknown.Duration(r.RetryAfter)
	p.Fingerprint, p.Excerpt, p.Setting = r.Fingerprint, r.Excerpt, r.Setting
}

// WithResult returns a copy of p that says r.
func WithResult(p *redrivev1.Failure, r finalize.Result) *redrivev1.Failure {
	q := proto.CloneOf(p)
	setResult(q, r)
	return q
}

// FailureFromProto reads a failure off the wire. The remedy is the one that the
// winning match recorded.
func FailureFromProto(p *redrivev1.Failure) (record.Failure, error) {
	f := record.Failure{
		Report: record.Report{
			Attempt: failure.AttemptFromProto(p.GetAttempt()), Type: failure.TypeFromProto(p.GetType()),
			Config:   p.GetConfig().AsMap(),
			Evidence: failure.FromProto(p.GetEvidence()), Labels: p.GetLabels(), Owner: p.GetOwner(),
		},
		State: record.State(p.GetState()),
		Result: finalize.Result{
			Class: failure.Class(p.GetClass()), Category: failure.Category(p.GetCategory()), Verdict: failure.Verdict(p.GetVerdict()),
			Summary: p.GetSummary(), Runbook: p.GetRunbook(), RetryAfter: p.GetRetryAfter().AsDuration(),
			Excerpt: p.GetExcerpt(), Fingerprint: p.GetFingerprint(), Setting: p.GetSetting(),
		},
		Patch: p.GetPatch(), Warnings: p.GetWarnings(), CreateTime: wellknown.Time(p.GetCreateTime()), UpdateTime: wellknown.Time(p.GetUpdateTime()),
	}
	if p.GetAttemptConfig() != nil {
		f.AttemptConfig = p.GetAttemptConfig().AsMap()
	}
	for _, m := range p.GetMatches() {
		match := MatchFromProto(m)
		f.Matches = append(f.Matches, match)
		if m.GetRule() == p.GetRule() {
			f.Result.Rule, f.Result.Remedy = match.Rule, match.Remedy
		}
	}
	if p.GetRecommendation() != nil {
		r, err := Recommendation(p.GetRecommendation())
		if err != nil {
			return f, err
		}
		f.Recommendation = &r
	}
	var err error
	f.RetryPolicy, err = policy(p.GetRetryPolicy())
	return f, err
}

// Announced is p as failure.classified carries it: without the text of the logs
// and of the matches, and of the recommendation without what it was made from.
// It shares the rest with p, and neither may be changed any more.
func Announced(p *redrivev1.Failure) *redrivev1.Failure {
	q := shallow(p)
	if p.GetEvidence() != nil {
		q.Evidence = shallow(p.GetEvidence())
		q.Evidence.Logs = nil
		for _, l := range p.GetEvidence().GetLogs() {
			l = shallow(l)
			l.Head, l.Tail = "", ""
			q.Evidence.Logs = append(q.Evidence.Logs, l)
		}
	}
	q.Matches = nil
	for _, m := range p.GetMatches() {
		q.Matches = append(q.Matches, &redrivev1.RuleMatch{
			Rule: m.GetRule(), RuleRevision: m.GetRuleRevision(), Order: m.GetOrder(), Class: m.GetClass(), Verdict: m.GetVerdict(),
			Mode: m.GetMode(), Source: m.GetSource(), Line: m.GetLine(), Tail: m.GetTail(),
		})
	}
	if p.GetRecommendation() != nil {
		q.Recommendation = shallow(p.GetRecommendation())
		q.Recommendation.Inputs, q.Recommendation.Candidates = nil, nil
	}
	return q
}

// shallow returns a copy of m that shares the messages in it.
func shallow[M proto.Message](m M) M {
	q := m.ProtoReflect().New()
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		q.Set(field, v)
		return true
	})
	return q.Interface().(M) //nolint:forcetypeassert // New makes the same type
}

// told is what AttemptFailed and ClassifyRequest have in common.
type told interface {
	GetAttempt() *redrivev1.AttemptRef
	GetType() *redrivev1.JobType
	GetConfig() *structpb.Struct
	GetAttemptConfig() *structpb.Struct
	GetEvidence() *redrivev1.Evidence
	GetLabels() map[string]string
	GetOwner() string
	GetRetryPolicy() *redrivev1.RetryPolicy
}

// Report reads a report off the wire.
func Report(p told) (record.Report, error) {
	r := record.Report{
		Attempt: failure.AttemptFromProto(p.GetAttempt()), Type: failure.TypeFromProto(p.GetType()), Config: p.GetConfig().AsMap(),
		Evidence: failure.FromProto(p.GetEvidence()), Labels: p.GetLabels(), Owner: p.GetOwner(),
	}
	if p.GetAttemptConfig() != nil {
		r.AttemptConfig = p.GetAttemptConfig().AsMap()
	}
	var err error
	r.RetryPolicy, err = policy(p.GetRetryPolicy())
	return r, err
}

func policy(p *redrivev1.RetryPolicy) ([]byte, error) {
	if p == nil {
		return nil, nil
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		return nil, errs.Field("retry_policy", "%w", err)
	}
	if raw == nil {
		raw = []byte{} // a policy that says nothing is still one
	}
	return raw, nil
}

func structOf(m map[string]any) (*structpb.Struct, error) {
	if m == nil {
		return nil, nil
	}
	return structpb.NewStruct(m)
}

// JobName reads the name of a job as users write it: "jobs/{job}" or
// "{source}/{job}" of another scheduler; empty for empty. field names it in
// the error.
func JobName(field, name string) (string, error) {
	switch source, job, ok := strings.Cut(name, "/"); {
	case name == "":
		return "", nil
	case !ok || job == "":
		return "", errs.Field(field, "%q is not jobs/{job}, or {source}/{job} of another scheduler", name)
	case source == "jobs":
		return name, nil
	default:
		a := failure.Attempt{Source: source, Job: job, Number: 1}
		return a.JobName(), a.Validate(field)
	}
}
