package failure

import (
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// FromProto reads evidence off the wire; nil is the zero Evidence.
func FromProto(p *redrivev1.Evidence) Evidence {
	e := Evidence{
		Signal: int(p.GetSignal()), Reason: Reason(p.GetTerminationReason()), Proof: p.GetTerminationProof(),
		LimitBytes: p.GetMemoryLimitBytes(), MemoryDriver: p.GetMemoryDriver(), InputBytes: p.GetInputBytes(),
		Node: p.GetNode(), Duration: p.GetDuration().AsDuration(),
		Start: wellknown.Time(p.GetStartTime()), End: wellknown.Time(p.GetEndTime()), PartPeaks: p.GetPartPeakBytes(),
		Shape: ShapeFromProto(p.GetShape()),
	}
	if p != nil && p.ExitCode != nil {
		code := int(p.GetExitCode())
		e.ExitCode = &code
	}
	if p != nil && p.PeakMemoryBytes != nil {
		peak := p.GetPeakMemoryBytes()
		e.PeakBytes = &peak
	}
	for _, l := range p.GetLogs() {
		e.Logs = append(e.Logs, Log{
			l.GetSource(), l.GetHead(), l.GetTail(), l.GetSizeBytes(), l.GetTruncated(), l.GetUri(), l.GetProblem(), wellknown.Time(l.GetReadTime()),
		})
	}
	return e
}

// Proto writes the evidence for the wire.
func (e Evidence) Proto() *redrivev1.Evidence {
	p := &redrivev1.Evidence{
		Signal: int32(e.Signal), TerminationReason: redrivev1.TerminationReason(e.Reason), TerminationProof: e.Proof,
		MemoryLimitBytes: e.LimitBytes, MemoryDriver: e.MemoryDriver, InputBytes: e.InputBytes, Node: e.Node,
		PeakMemoryBytes: e.PeakBytes, StartTime: wellknown.Timestamp(e.Start), EndTime: wellknown.Timestamp(e.End),
		PartPeakBytes: e.PartPeaks, Shape: e.Shape.Proto(),
	}
	if e.ExitCode != nil {
		code := int32(*e.ExitCode)
		p.ExitCode = &code
	}
	if e.Duration > 0 {
		p.Duration = durationpb.New(e.Duration)
	}
	for _, l := range e.Logs {
		p.Logs = append(p.Logs, &redrivev1.Log{
			Source: l.Source, Head: l.Head, Tail: l.Tail, SizeBytes: l.SizeBytes, Truncated: l.Truncated, Uri: l.URI,
			Problem: l.Problem, ReadTime: wellknown.Timestamp(l.ReadTime),
		})
	}
	return p
}

// ShapeFromProto reads a cluster off the wire; nil is the zero Shape.
func ShapeFromProto(p *redrivev1.ClusterShape) Shape {
	return Shape{
		p.GetName(), p.GetInstanceType(), int(p.GetNodes()), p.GetCoresPerNode(), p.GetMemoryBytesPerNode(), p.GetDollarsPerHour(), p.GetSpot(),
	}
}

// Proto writes a cluster for the wire; the zero Shape is nil.
func (s Shape) Proto() *redrivev1.ClusterShape {
	if s == (Shape{}) {
		return nil
	}
	return &redrivev1.ClusterShape{
		Name: s.Name, InstanceType: s.InstanceType, Nodes: int32(s.Nodes), CoresPerNode: s.CoresPerNode,
		MemoryBytesPerNode: s.MemoryPerNode, DollarsPerHour: s.DollarsPerHour, Spot: s.Spot,
	}
}

// AttemptFromProto reads the name of an attempt off the wire.
func AttemptFromProto(p *redrivev1.AttemptRef) Attempt {
	return Attempt{Source: p.GetSource(), Job: p.GetJob(), Number: int(p.GetAttempt())}
}

// Proto writes the name of an attempt for the wire.
func (a Attempt) Proto() *redrivev1.AttemptRef {
	return &redrivev1.AttemptRef{Source: a.Source, Job: a.Job, Attempt: int32(a.Number)}
}

// TypeFromProto reads a job type off the wire.
func TypeFromProto(p *redrivev1.JobType) Type {
	return Type{p.GetWorkflow(), p.GetStep(), p.GetEngine()}
}

// Proto writes the job type for the wire.
func (t Type) Proto() *redrivev1.JobType {
	return &redrivev1.JobType{Workflow: t.Workflow, Step: t.Step, Engine: t.Engine}
}
