// Package failure holds the words that all services share: the classes of
// failures with what they mean for a retry, evidence, and the names that are
// derived from an attempt.
package failure

import "time"

// Class is one name of the error taxonomy.
type Class string

// The classes. Unknown is a failure that no rule explains.
const (
	NetworkTransient        Class = "network.transient"
	DependencyUnavailable   Class = "dependency.unavailable"
	ShuffleFetch            Class = "shuffle.fetch"
	Throttling              Class = "throttling"
	ConcurrencyConflict     Class = "concurrency.conflict"
	Preemption              Class = "preemption"
	CapacityUnavailable     Class = "capacity.unavailable"
	SchedulingUnschedulable Class = "scheduling.unschedulable"
	MemoryDriver            Class = "memory.driver"
	MemoryExecutor          Class = "memory.executor"
	MemoryContainer         Class = "memory.container"
	MemoryPython            Class = "memory.python"
	MemoryGPU               Class = "memory.gpu"
	DiskFull                Class = "disk.full"
	Timeout                 Class = "timeout"
	Permission              Class = "permission"
	Credentials             Class = "credentials"
	QuotaExceeded           Class = "quota.exceeded"
	NotFoundData            Class = "not_found.data"
	NotFoundObject          Class = "not_found.object"
	DataInvalid             Class = "data.invalid"
	SchemaMismatch          Class = "schema.mismatch"
	CodeBug                 Class = "code.bug"
	DependencyMissing       Class = "dependency.missing"
	ConfigInvalid           Class = "config.invalid"
	ImagePull               Class = "image.pull"
	Cancelled               Class = "cancelled"
	Unknown                 Class = "unknown"
)

// Category says whose budget a failure burns.
type Category int

// The categories, as in proto/redrive/v1/evidence.proto.
const (
	CategoryNone Category = iota
	CategorySystem
	CategoryPreemption
	CategoryMemory
	CategoryTimeout
	CategoryUser
	CategoryUnknown
)

// Verdict is what a class means for a retry.
type Verdict int

// The verdicts, as in proto/redrive/v1/evidence.proto.
const (
	VerdictNone Verdict = iota
	Retry
	RetrySlowly
	RetryWithConfig
	DoNotRetry
	VerdictUnknown
)

// String returns the verdict as users write it.
func (v Verdict) String() string {
	return [...]string{"", "RETRY", "RETRY_SLOWLY", "RETRY_WITH_CONFIG", "DO_NOT_RETRY", "UNKNOWN"}[v]
}

// ParseVerdict reads what String wrote; ok is false for anything else.
func ParseVerdict(s string) (v Verdict, ok bool) {
	for v := Retry; v <= VerdictUnknown; v++ {
		if v.String() == s {
			return v, true
		}
	}
	return VerdictNone, false
}

// String returns the category as users write it.
func (c Category) String() string {
	return [...]string{"", "system", "preemption", "memory", "timeout", "user", "unknown"}[c]
}

// NeverAlert is a Meaning.AlertAfter that tells nobody.
const NeverAlert = -1

// Meaning is what a class means unless a rule or a policy says otherwise.
type Meaning struct {
	Category  Category
	Verdict   Verdict
	Retries   int           // attempts are one more
	BaseDelay time.Duration // before the first retry; 0 is at once
	Factor    float64       // growth of the delay from retry to retry
	// AlertAfter is the number of failures after which a human is told although
	// a retry is planned; 0 is at the first one, more than Retries only when they
	// are used up, NeverAlert never.
	AlertAfter int
}

var meanings = map[Class]Meaning{
	NetworkTransient:        {CategorySystem, Retry, 10, 15 * time.Second, 2, 5},
	DependencyUnavailable:   {CategorySystem, Retry, 10, 15 * time.Second, 2, 5},
	ShuffleFetch:            {CategorySystem, Retry, 10, 15 * time.Second, 2, 5},
	Throttling:              {CategorySystem, Retry, 10, time.Minute, 2, 5},
	ConcurrencyConflict:     {CategorySystem, Retry, 5, 5 * time.Second, 2, 3},
	Preemption:              {CategoryPreemption, Retry, 10, 0, 1, 5},
	CapacityUnavailable:     {CategorySystem, RetrySlowly, 10, 5 * time.Minute, 2, 3},
	SchedulingUnschedulable: {CategorySystem, RetrySlowly, 10, 5 * time.Minute, 2, 3},
	MemoryDriver:            {CategoryMemory, RetryWithConfig, 3, 0, 1, 4},
	MemoryExecutor:          {CategoryMemory, RetryWithConfig, 3, 0, 1, 4},
	MemoryContainer:         {CategoryMemory, RetryWithConfig, 3, 0, 1, 4},
	MemoryPython:            {CategoryMemory, RetryWithConfig, 3, 0, 1, 4},
	MemoryGPU:               {CategoryMemory, RetryWithConfig, 3, 0, 1, 4},
	DiskFull:                {CategorySystem, RetrySlowly, 3, 5 * time.Minute, 2, 1},
	Timeout:                 {CategoryTimeout, Retry, 1, time.Minute, 1, 1},
	Permission:              {CategoryUser, RetrySlowly, 4, 5 * time.Minute, 2, 2},
	Credentials:             {CategoryUser, RetrySlowly, 4, 5 * time.Minute, 2, 2},
	QuotaExceeded:           {CategoryUser, RetrySlowly, 4, 5 * time.Minute, 2, 2},
	NotFoundData:            {CategoryUser, RetrySlowly, 4, 5 * time.Minute, 2, 2},
	NotFoundObject:          {CategoryUser, RetrySlowly, 4, 5 * time.Minute, 2, 2},
	DataInvalid:             {CategoryUser, DoNotRetry, 0, 0, 1, 0},
	SchemaMismatch:          {CategoryUser, DoNotRetry, 0, 0, 1, 0},
	CodeBug:                 {CategoryUser, DoNotRetry, 0, 0, 1, 0},
	DependencyMissing:       {CategoryUser, DoNotRetry, 0, 0, 1, 0},
	ConfigInvalid:           {CategoryUser, DoNotRetry, 0, 0, 1, 0},
	ImagePull:               {CategoryUser, DoNotRetry, 0, 0, 1, 0},
	Cancelled:               {CategoryUser, DoNotRetry, 0, 0, 1, NeverAlert},
	Unknown:                 {CategoryUnknown, VerdictUnknown, 2, time.Minute, 2, 3},
}

// MeaningOf returns the defaults of class c; ok is false for a name that is not
// in the taxonomy.
func MeaningOf(c Class) (m Meaning, ok bool) {
	m, ok = meanings[c]
	return m, ok
}

// Classes returns the names of the taxonomy, Unknown included, in no order.
func Classes() []Class {
	all := make([]Class, 0, len(meanings))
	for c := range meanings {
		all = append(all, c)
	}
	return all
}

// Memory reports whether more or less memory is what class c is about.
func (c Class) Memory() bool { return meanings[c].Category == CategoryMemory }
