package wire

import (
	"cmp"
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

// Failure writes a failure for the wire. The recommendation in it is shared and
// must not be changed; Whole puts into a copy what is not in it.
func Failure(f record.Failure) (*redrivev1.Failure, error) {
	p := &redrivev1.Failure{
		Name: FailureName(f.ID()), Attempt: f.Attempt.Proto(), Type: f.Type.Proto(), Evidence: f.Evidence.Proto(),
		Labels: f.Labels, Owner: f.Owner, CreateTime: wellknown.Timestamp(f.CreateTime),
	}
	for _, m := range f.Matches {
		p.Matches = append(p.Matches, Match(m))
	}
	setResult(p, f.Result)
	setSteps(p, f)
	var err error
	if p.Config, err = structOf(f.Config); err != nil {
		return nil, errs.Field("config", "%w", err)
	}
	if p.AttemptConfig, err = structOf(f.AttemptConfig); err != nil {
		return nil, errs.Field("attempt_config", "%w", err)
	}
	if f.Recommendation != nil {
		p.Recommendation = Answer(*f.Recommendation)
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
	if asked == nil || asked.Config != nil && asked.AttemptConfig != nil {
		return
	}
	p.Recommendation = withAsked(p.Recommendation, cmp.Or(asked.Config, p.Config), cmp.Or(asked.AttemptConfig, p.AttemptConfig))
}

// lean returns r without the configurations that Whole puts back.
func lean(r *redrivev1.Recommendation) *redrivev1.Recommendation {
	asked := r.GetInputs().GetRequest()
	if asked.GetConfig() == nil && asked.GetAttemptConfig() == nil {
		return r
	}
	return withAsked(r, nil, nil)
}

// withAsked returns a copy of r that says that it was made for these
// configurations; it shares the rest with r.
func withAsked(r *redrivev1.Recommendation, config, attemptConfig *structpb.Struct) *redrivev1.Recommendation {
	r = shallow(r)
	r.Inputs = shallow(r.Inputs)
	r.Inputs.Request = shallow(r.Inputs.Request)
	r.Inputs.Request.Config, r.Inputs.Request.AttemptConfig = config, attemptConfig
	return r
}

// setSteps sets in p what the steps after the classification change, but the
// recommendation.
func setSteps(p *redrivev1.Failure, f record.Failure) {
	p.State, p.Patch, p.Warnings = redrivev1.Failure_State(f.State), f.Patch, f.Warnings
	p.UpdateTime = wellknown.Timestamp(f.UpdateTime)
}

func setResult(p *redrivev1.Failure, r finalize.Result) {
	p.Class, p.Category, p.Verdict = string(r.Class), redrivev1.Category(r.Category), redrivev1.Verdict(r.Verdict)
	p.Rule, p.Summary, p.Runbook, p.RetryAfter = RuleName(r.Rule), r.Summary, r.Runbook, wellknown.Duration(r.RetryAfter)
	p.Fingerprint, p.Excerpt, p.Setting = r.Fingerprint, r.Excerpt, r.Setting
	p.Dependency = nil
	if r.Dependency != (finalize.Dependency{}) {
		p.Dependency = &redrivev1.Dependency{Kind: r.Dependency.Kind, Name: r.Dependency.Name}
	}
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
			Dependency: finalize.Dependency{Kind: p.GetDependency().GetKind(), Name: p.GetDependency().GetName()},
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
		r := Recommendation(p.GetRecommendation())
		f.Recommendation = &r
	}
	var err error
	f.RetryPolicy, err = policy(p.GetRetryPolicy())
	return f, err
}

// WithoutText takes the text of the logs out of p.
func WithoutText(p *redrivev1.Failure) {
	for _, l := range p.GetEvidence().GetLogs() {
		l.Head, l.Tail = "", ""
	}
}

// Announced makes of p, and returns, what failure.classified carries: no text of
// the logs and of the matches, and a recommendation without what it was made
// from.
func Announced(p *redrivev1.Failure) *redrivev1.Failure {
	WithoutText(p)
	for _, m := range p.GetMatches() {
		m.Text, m.Captures, m.Summary, m.Runbook, m.RetryAfter, m.Remedy, m.YieldsTo = "", nil, "", "", nil, nil, nil
	}
	p.Recommendation = brief(p.Recommendation)
	return p
}

// Stepped brings what Announced returned up to the steps that f took since.
func Stepped(p *redrivev1.Failure, f record.Failure) {
	setSteps(p, f)
	if p.Recommendation == nil && f.Recommendation != nil {
		p.Recommendation = brief(Answer(*f.Recommendation))
	}
}

// brief returns a copy of r without what it was made from, but with its
// features: they are what the recommender learns from.
func brief(r *redrivev1.Recommendation) *redrivev1.Recommendation {
	if r == nil {
		return nil
	}
	r = shallow(r)
	r.Inputs, r.Candidates, r.Factors = nil, nil, nil
	return r
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
