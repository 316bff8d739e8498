package failure

import (
	"math"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Evidence is what is known about the end of one attempt.
type Evidence struct {
	Logs      []Log
	ExitCode  *int // nil when it did not exit by itself
	Signal    int  // 0 for none
	Reason    Reason
	Proof     string // what proves Reason
	PeakBytes *int64 // peak anonymous memory of the process tree; nil when not measured
	// PartPeaks is the largest use of each part that the engine itself measured,
	// in bytes, by the part's name in pkg/engine.
	PartPeaks map[string]int64
	// LimitBytes is the memory limit that was in force; 0 for none.
	LimitBytes   int64
	MemoryDriver string // "cgroup2", "cgroup1", "watchdog" or empty
	InputBytes   int64  // 0 when unknown
	Shape        Shape  // the machines, where its scheduler chose them; zero when not known
	Node         string
	Start, End   time.Time
	Duration     time.Duration
}

// Shape is a number of equal machines, and what they cost. The zero Shape is
// none.
type Shape struct {
	Name           string // such as "m5.xlarge x 8"
	InstanceType   string // such as "m5.xlarge"
	Nodes          int
	CoresPerNode   float64
	MemoryPerNode  int64   // bytes
	DollarsPerHour float64 // of all of it
	Spot           bool    // it may be taken away while the job runs
}

// Cores returns the cores of all machines.
func (s Shape) Cores() float64 { return float64(s.Nodes) * s.CoresPerNode }

// Memory returns the bytes of all machines.
func (s Shape) Memory() float64 { return float64(s.Nodes) * float64(s.MemoryPerNode) }

// Validate names what is wrong with s; field is the name of s in the request.
func (s Shape) Validate(field string) error {
	amount := func(name string, x float64) error {
		if !(x >= 0) || math.IsInf(x, 0) {
			return errs.Field(field+"."+name, "%v is not a number of at least 0", x)
		}
		return nil
	}
	text := func(name, s string) error {
		if len(s) > maxShapeName {
			return errs.Field(field+"."+name, "has %d bytes; at most %d are allowed", len(s), maxShapeName)
		}
		return nil
	}
	return errs.Fields(
		text("name", s.Name), text("instance_type", s.InstanceType), amount("nodes", float64(s.Nodes)),
		amount("cores_per_node", s.CoresPerNode), amount("memory_bytes_per_node", float64(s.MemoryPerNode)),
		amount("dollars_per_hour", s.DollarsPerHour),
	)
}

// maxShapeName bounds the names of a Shape, in bytes.
const maxShapeName = 128

// Log is the head and the tail of one log.
type Log struct {
	Source    string
	Head      string // the whole text of a log that is not cut
	Tail      string
	SizeBytes int64 // of the whole log
	Truncated bool
	URI       string // where the whole log can be read, or empty
	// Problem is why it could not be read from there, or not all of it.
	Problem string
	// ReadTime is when the text was read from there; zero when it is as told.
	ReadTime time.Time
}

// MaxLogBytes bounds the text of all logs of one Evidence, MaxLogs their number.
const (
	MaxLogBytes = 256 << 10
	MaxLogs     = 16
	// MaxParts bounds Evidence.PartPeaks.
	MaxParts = 16
)

// Reason is why an attempt ended.
type Reason int

// The reasons, as in proto/redrive/v1/evidence.proto.
const (
	ReasonNone Reason = iota
	Exited
	Signaled
	OutOfMemory
	TimedOut
	WasCancelled
	NotStarted
	Lost
)

// String returns the reason as rules and users write it.
func (r Reason) String() string {
	return [...]string{"", "EXITED", "SIGNALED", "OUT_OF_MEMORY", "TIMEOUT", "CANCELLED", "NOT_STARTED", "LOST"}[r]
}

// Facts returns the evidence without its logs.
func (e Evidence) Facts() Evidence {
	e.Logs = nil
	return e
}
