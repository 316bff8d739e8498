package pods

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
)

// pod is what is read of a pod.
type pod struct {
	Metadata struct{ Name, UID string }
	Spec     struct {
		NodeName                   string
		Containers, InitContainers []struct {
			Name      string
			Resources struct{ Limits struct{ Memory string } }
		}
	}
	Status struct {
		Phase, Reason, Message                   string
		ContainerStatuses, InitContainerStatuses []containerStatus
	}
}

type containerStatus struct {
	Name             string
	RestartCount     int
	State, LastState containerState
}

type containerState struct {
	Waiting    *struct{ Reason, Message string }
	Running    *struct{ StartedAt time.Time }
	Terminated *terminated
}

type terminated struct {
	ExitCode, Signal      int
	Reason, Message       string
	StartedAt, FinishedAt time.Time
}

// ended is how a container ended last; nil when it never did.
func (c containerStatus) ended() *terminated {
	if c.State.Terminated != nil {
		return c.State.Terminated
	}
	return c.LastState.Terminated
}

// maxContainers bounds the containers of a pod that are read.
const maxContainers = 3

// containers returns the container of that name. Without a name they are those
// that failed, in the order of their ends, or else the first one.
func (p pod) containers(name string) []containerStatus {
	all := slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
	var chosen []containerStatus
	for _, c := range all {
		if end := c.ended(); c.Name == name || name == "" && end != nil && (end.ExitCode != 0 || end.Signal != 0) {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 && name == "" && len(p.Status.ContainerStatuses) > 0 {
		chosen = p.Status.ContainerStatuses[:1]
	}
	slices.SortStableFunc(chosen, func(a, b containerStatus) int {
		if a.ended() == nil || b.ended() == nil {
			return 0
		}
		return a.ended().FinishedAt.Compare(b.ended().FinishedAt)
	})
	return chosen[:min(len(chosen), maxContainers)]
}

// facts are what the status proves of the end of the first container chosen.
func (p pod) facts(at address) failure.Evidence {
	e := failure.Evidence{Node: p.Spec.NodeName}
	chosen := p.containers(at.container)
	if len(chosen) == 0 {
		return e
	}
	c := chosen[0]
	for _, spec := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		if spec.Name == c.Name {
			e.LimitBytes = quantity(spec.Resources.Limits.Memory)
		}
	}
	end := c.ended()
	if end == nil {
		return e
	}
	e.Start, e.End = end.StartedAt, end.FinishedAt
	proof := fmt.Sprintf("Kubernetes: container %s of pod %s/%s ended as %s, exit code %d", c.Name, at.namespace, at.pod, cmp.Or(end.Reason, "Unknown"), end.ExitCode)
	if end.Signal != 0 {
		e.Signal = end.Signal
	} else {
		e.ExitCode = &end.ExitCode
	}
	switch {
	case end.Reason == "OOMKilled":
		e.Reason, e.Proof = failure.OutOfMemory, proof
	case end.Reason == "ContainerCannotRun", end.Reason == "StartError":
		e.Reason, e.Proof = failure.NotStarted, proof
	case p.Status.Reason == "DeadlineExceeded":
		e.Reason, e.Proof = failure.TimedOut, "Kubernetes: the pod's active deadline was exceeded"
	case end.Signal != 0:
		e.Reason, e.Proof = failure.Signaled, proof
	case end.Reason == "Error", end.Reason == "Completed":
		e.Reason = failure.Exited
	}
	return e
}

// story tells the state of the pod and of its containers, a line each.
func (p pod) story() string {
	var b strings.Builder
	if p.Status.Reason != "" || p.Status.Message != "" {
		fmt.Fprintf(&b, "Pod %s: %s %s\n", p.Status.Phase, p.Status.Reason, oneLine(p.Status.Message))
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil && w.Reason != "" {
			fmt.Fprintf(&b, "Container %s is waiting: %s %s\n", c.Name, w.Reason, oneLine(w.Message))
		}
		if end := c.ended(); end != nil && (end.ExitCode != 0 || end.Signal != 0) {
			fmt.Fprintln(&b, oneLine(fmt.Sprintf("Container %s terminated: reason: %s, exit code: %d %s", c.Name, end.Reason, end.ExitCode, end.Message)))
		}
	}
	return b.String()
}

// eventList is what is read of a list of events.
type eventList struct{ Items []event }

type event struct {
	InvolvedObject                struct{ UID string }
	Type, Reason, Message         string
	Count                         int
	EventTime                     time.Time
	FirstTimestamp, LastTimestamp time.Time
	Series                        *struct {
		Count            int
		LastObservedTime time.Time
	}
}

// when is when it happened last.
func (e event) when() time.Time {
	at := e.EventTime
	for _, t := range []time.Time{e.FirstTimestamp, e.LastTimestamp} {
		if t.After(at) {
			at = t
		}
	}
	if e.Series != nil && e.Series.LastObservedTime.After(at) {
		at = e.Series.LastObservedTime
	}
	return at
}

// of tells the events of the pod with that uid, in the order of their times, a
// line each; without a uid those of all pods of the name.
func (l eventList) of(uid string) string {
	items := slices.DeleteFunc(slices.Clone(l.Items), func(e event) bool { return uid != "" && e.InvolvedObject.UID != uid })
	slices.SortStableFunc(items, func(a, b event) int { return a.when().Compare(b.when()) })
	var b strings.Builder
	for _, e := range items {
		count := e.Count
		if e.Series != nil {
			count = e.Series.Count
		}
		times := ""
		if count > 1 {
			times = fmt.Sprintf(" (%d times)", count)
		}
		fmt.Fprintf(&b, "%s %s %s: %s%s\n", e.when().UTC().Format(time.RFC3339), e.Type, e.Reason, oneLine(e.Message), times)
	}
	return b.String()
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// quantity reads an amount of bytes as Kubernetes writes it, such as 512Mi; 0
// for none and for what is no amount.
func quantity(s string) int64 {
	number := strings.TrimRight(s, "numkMGTPEi")
	factor, ok := map[string]float64{
		"": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
		"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60,
	}[s[len(number):]]
	n, err := strconv.ParseFloat(number, 64)
	if n *= factor; !ok || err != nil || !(n > 0) || n > math.MaxInt64/2 {
		return 0
	}
	return int64(n)
}
