package bus

import "time"

// This page is the whole flow: what is said, where it is kept, and who listens.

// Type is what an event says: noun.past-participle. Redrive publishes it on the
// subject "redrive.v1." + Type, and other schedulers tell how their attempts
// ended on "redrive.report." + Type.
type Type string

// The types. Their payloads are the messages of the same name in
// proto/redrive/v1/events.proto.
const (
	AttemptStarted    Type = "attempt.started"    // scheduler
	AttemptFailed     Type = "attempt.failed"     // scheduler; other schedulers as a report
	AttemptSucceeded  Type = "attempt.succeeded"  // scheduler; other schedulers as a report
	FailureClassified Type = "failure.classified" // classifier
	DecisionMade      Type = "decision.made"      // scheduler
	JobFinished       Type = "job.finished"       // scheduler
	PatchChanged      Type = "patch.changed"      // config
	AlertChanged      Type = "alert.changed"      // notifier
	RuleChanged       Type = "rule.changed"       // classifier
	ModelAudited      Type = "model.audited"      // recommender
	TrainingFailed    Type = "training.failed"    // recommender
)

// Types are all types.
var Types = []Type{
	AttemptStarted, AttemptFailed, AttemptSucceeded, FailureClassified, DecisionMade,
	JobFinished, PatchChanged, AlertChanged, RuleChanged, ModelAudited, TrainingFailed,
}

// Subjects and streams. What Redrive says and what others report are apart: a
// user of the bus who may only report can never speak for Redrive.
const (
	SubjectPrefix     = "redrive.v1."
	ReportPrefix      = "redrive.report."
	DeadPrefix        = "redrive.dead."
	EventStream       = "REDRIVE_EVENTS"       // redrive.v1.>
	ReportStream      = "REDRIVE_REPORTS"      // redrive.report.>
	DeadLetterStream  = "REDRIVE_DEAD_LETTERS" // redrive.dead.<consumer>
	EventMaxAge       = 7 * 24 * time.Hour
	DeadLetterMaxAge  = 30 * 24 * time.Hour
	DuplicateWindow   = 2 * time.Minute
	DefaultMaxBytes   = 2 << 30   // of the event stream, and of the reports
	DeadLetterBytes   = 256 << 20 // of the dead letter stream
	DeadLetterMaximum = 100_000   // messages in the dead letter stream
)

// receivedPrefix is where the server in this process keeps the reports: on
// their own subject they are answered only when they are on the disk. See
// reception.go.
const receivedPrefix = "redrive.received."

// Reports are the types that other schedulers may tell.
var Reports = []Type{AttemptFailed, AttemptSucceeded}

// The consumers. A durable one is shared by the replicas of its service: each
// event goes to one of them. An ephemeral one is a replica's own: every
// replica gets every event from the moment it listens.
var (
	SchedulerReports    = Consumer{Name: "scheduler-reports", Types: Reports, Reports: true}
	SchedulerVerdicts   = Consumer{Name: "scheduler-verdicts", Types: []Type{FailureClassified}}
	SchedulerChanges    = Consumer{Name: "scheduler-changes", Types: []Type{AttemptStarted, DecisionMade, JobFinished}, Ephemeral: true}
	ClassifierFailures  = Consumer{Name: "classifier-failures", Types: []Type{AttemptFailed}}
	ClassifierRules     = Consumer{Name: "classifier-rules", Types: []Type{RuleChanged}, Ephemeral: true, Concurrency: 1}
	ClassifierOutcomes  = Consumer{Name: "classifier-outcomes", Types: []Type{AttemptSucceeded, JobFinished}}
	RecommenderOutcomes = Consumer{Name: "recommender-outcomes", Types: []Type{FailureClassified, AttemptSucceeded}, Concurrency: 512} // they wait for each other, to be learnt together
	RecommenderPatches  = Consumer{Name: "recommender-patches", Types: []Type{PatchChanged}}
	NotifierEvents      = Consumer{Name: "notifier-events", Types: []Type{DecisionMade, AttemptSucceeded, JobFinished, ModelAudited, TrainingFailed}}
)

// Consumers are all consumers; Provision makes the durable ones.
var Consumers = []Consumer{
	SchedulerReports, SchedulerVerdicts, SchedulerChanges, ClassifierFailures, ClassifierRules, ClassifierOutcomes, RecommenderOutcomes, RecommenderPatches, NotifierEvents,
}
