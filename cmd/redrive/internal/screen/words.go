package screen

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/reflect/protoreflect"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// Name is an enum's value as people write it: "RUNNING" for STATE_RUNNING, and
// "" for the unspecified one.
func Name(e protoreflect.Enum) string {
	if e.Number() == 0 {
		return ""
	}
	d := e.Descriptor().Values().ByNumber(e.Number())
	if d == nil {
		return fmt.Sprint(e.Number())
	}
	return ShortName(d)
}

// ShortName leaves out the prefix that the values of an enum share.
func ShortName(d protoreflect.EnumValueDescriptor) string {
	prefix := strings.TrimSuffix(string(d.Parent().(protoreflect.EnumDescriptor).Values().ByNumber(0).Name()), "UNSPECIFIED")
	return strings.TrimPrefix(string(d.Name()), prefix)
}

// End says how an attempt ended.
func End(e *redrivev1.Evidence) string {
	switch e.GetTerminationReason() {
	case redrivev1.TerminationReason_TERMINATION_REASON_OUT_OF_MEMORY:
		if e.GetMemoryLimitBytes() > 0 {
			return "killed at its memory limit of " + Bytes(e.GetMemoryLimitBytes())
		}
		return "killed for its memory"
	case redrivev1.TerminationReason_TERMINATION_REASON_TIMEOUT:
		return "killed at its run timeout"
	case redrivev1.TerminationReason_TERMINATION_REASON_CANCELLED:
		return "cancelled"
	case redrivev1.TerminationReason_TERMINATION_REASON_NOT_STARTED:
		return "could not be started"
	case redrivev1.TerminationReason_TERMINATION_REASON_LOST:
		return "lost without a record of its end"
	}
	switch {
	case e.GetSignal() != 0:
		return "ended by " + signalName(e.GetSignal())
	case e != nil && e.ExitCode != nil:
		return fmt.Sprintf("exit code %d", e.GetExitCode())
	default:
		return "failed"
	}
}

func signalName(n int32) string {
	if name := unix.SignalName(unix.Signal(n)); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", n)
}

// State writes a job's state.
func (s Style) State(state redrivev1.Job_State) string {
	switch name := Name(state); state {
	case redrivev1.Job_STATE_SUCCEEDED:
		return s.Good(name)
	case redrivev1.Job_STATE_FAILED, redrivev1.Job_STATE_CANCELLED:
		return s.Bad(name)
	case redrivev1.Job_STATE_WAITING, redrivev1.Job_STATE_CLASSIFYING:
		return s.Warn(name)
	default:
		return name
	}
}

// Decision says what was decided, and for when. The decision's own reason is a
// sentence that says what and why.
func (s Style) Decision(d *redrivev1.Decision) string {
	reason := Clean(d.GetReason())
	switch d.GetAction() {
	case redrivev1.Decision_ACTION_STOP:
		return s.Bad("stop") + ": " + reason
	case redrivev1.Decision_ACTION_RETRY, redrivev1.Decision_ACTION_RETRY_WITH_CONFIG:
		return s.Good(reason) + delay(d)
	default:
		return reason
	}
}

// delay says how long after the decision the retry is due.
func delay(d *redrivev1.Decision) string {
	if d.GetDueTime() == nil || d.GetInputs().GetNow() == nil {
		return ""
	}
	if wait := d.GetDueTime().AsTime().Sub(d.GetInputs().GetNow().AsTime()); wait > 0 {
		return ", in " + Span(wait)
	}
	return ", at once"
}

// Took is how long an attempt that has ended ran: as measured where it ran, else
// from its start until its end was heard of, which a server that was away
// hears late.
func Took(at *redrivev1.Attempt) string {
	if d := at.GetEvidence().GetDuration().AsDuration(); d > 0 {
		return Span(d)
	}
	return Span(at.GetEndTime().AsTime().Sub(at.GetStartTime().AsTime()))
}
