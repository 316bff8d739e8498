package bus

import "time"

// This page is the whole flow: what is said, where it is kept, and who listens.

// Type is what an event says: noun.past-participle. It is published on the
// subject "redrive.v1." + Type.
type Type string

// The types. Their payloads are the messages of the same name in
// proto/redrive/v1/events.proto.
const (
	AttemptStarted    Type = "attempt.started"    // scheduler
	AttemptFailed     Type = "attempt.failed"     // scheduler, other schedulers
	AttemptSucceeded  Type = "attempt.succeeded"  // scheduler, other schedulers
	FailureClassified Type = "failure.classified" // classifier
	DecisionMade      Type = "decision.made"      // scheduler
	JobFinished       Type = "job.finished"       // scheduler
	PatchChanged      Type = "patch.changed"      // config
	AlertChanged      Type = "alert.changed"      // notifier
	RuleChanged       Type = "rule.changed"       // classifier
)

// Types are all types.
var Types = []Type{
	AttemptStarted, AttemptFailed, AttemptSucceeded, FailureClassified, DecisionMade,
	JobFinished, PatchChanged, AlertChanged, RuleChanged,
}

// Subjects and streams.
const (
	SubjectPrefix     = "redrive.v1."
	DeadPrefix        = "redrive.dead."
	EventStream       = "REDRIVE_EVENTS"       // redrive.v1.>
	DeadLetterStream  = "REDRIVE_DEAD_LETTERS" // redrive.dead.<consumer>
	EventMaxAge       = 7 * 24 * time.Hour
	DeadLetterMaxAge  = 30 * 24 * time.Hour
	DuplicateWindow   = 2 * time.Minute
	DefaultMaxBytes   = 2 << 30   // of the event stream
	DeadLetterBytes   = 256 << 20 // of the dead letter stream
	DeadLetterMaximum = 100_000   // messages in the dead letter stream
)

// The consumers. A durable one is shared by the replicas of its service: each
// event goes to one of them. An ephemeral one is a replica's own: every
// replica gets every event from the moment it listens.
var (
	SchedulerAttempts   = Consumer{Name: "scheduler-attempts", Types: []Type{AttemptFailed, AttemptSucceeded}}
	SchedulerVerdicts   = Consumer{Name: "scheduler-verdicts", Types: []Type{FailureClassified}}
	ClassifierFailures  = Consumer{Name: "classifier-failures", Types: []Type{AttemptFailed}}
	ClassifierRules     = Consumer{Name: "classifier-rules", Types: []Type{RuleChanged}, Ephemeral: true, Concurrency: 1}
	RecommenderOutcomes = Consumer{Name: "recommender-outcomes", Types: []Type{AttemptFailed, AttemptSucceeded, FailureClassified}}
	NotifierEvents      = Consumer{Name: "notifier-events", Types: []Type{DecisionMade, AttemptSucceeded, JobFinished}}
)

// Consumers are all consumers; Provision makes the durable ones.
var Consumers = []Consumer{
	SchedulerAttempts, SchedulerVerdicts, ClassifierFailures, ClassifierRules, RecommenderOutcomes, NotifierEvents,
}
