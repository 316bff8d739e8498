package failure

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Own is the source of the jobs that Redrive's own scheduler runs.
const Own = "redrive"

// Attempt names one execution of a job, whoever ran it.
type Attempt struct {
	Source string // Own, or the name of another scheduler
	Job    string // the source's id of the job
	Number int    // counted from 1
}

// Type is what recurs: history, models and promoted patches belong to it.
type Type struct {
	Workflow, Step, Engine string
}

// isSource reports whether s is 1 to 63 of [a-z0-9-], starts with a letter, and
// does not end with a dash.
func isSource(s string) bool {
	return s != "" && len(s) <= 63 && 'a' <= s[0] && s[0] <= 'z' && s[len(s)-1] != '-' && consists(s, "-", false)
}

// isJob reports whether s is 1 to 128 of [A-Za-z0-9._:/-] and starts with a
// letter or digit.
func isJob(s string) bool {
	return s != "" && len(s) <= 128 && consists(s[:1], "", true) && consists(s, "._:/-", true)
}

// consists reports whether s has only small letters, digits, what is in others,
// and with capitals those too.
func consists(s, others string, capitals bool) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', capitals && 'A' <= c && c <= 'Z', strings.IndexByte(others, c) >= 0:
		default:
			return false
		}
	}
	return true
}

// MaxAttempt bounds Attempt.Number.
const MaxAttempt = 10_000

// Validate names what is wrong with a; field is the name of a in the request.
func (a Attempt) Validate(field string) error {
	var source, job, number error
	if !isSource(a.Source) {
		source = errs.Field(field+".source", "%q is not 1 to 63 of [a-z0-9-] that starts with a letter", a.Source)
	}
	if !isJob(a.Job) {
		job = errs.Field(field+".job", "%q is not 1 to 128 of [A-Za-z0-9._:/-] that starts with a letter or digit", a.Job)
	}
	if a.Number < 1 || a.Number > MaxAttempt {
		number = errs.Field(field+".attempt", "%d is not between 1 and %d", a.Number, MaxAttempt)
	}
	return errs.Fields(source, job, number)
}

// Validate names what is wrong with t; field is the name of t in the request.
func (t Type) Validate(field string) error {
	part := func(name, s string) error {
		if len(s) < 1 || len(s) > 128 {
			return errs.Field(field+"."+name, "must have 1 to 128 characters, has %d", len(s))
		}
		return nil
	}
	return errs.Fields(part("workflow", t.Workflow), part("step", t.Step), part("engine", t.Engine))
}

// Key returns t as one string that is the same for the same type alone.
func (t Type) Key() string { return digest(t.Workflow, t.Step, t.Engine) }

// JobID returns the id under which Redrive keeps the job: the job's own for
// Own, else one derived from (source, job).
func (a Attempt) JobID() string {
	if a.Source == Own {
		return a.Job
	}
	return a.Source + "-" + digest(a.Source, a.Job)
}

// JobName returns the resource name of the job: "jobs/{job}".
func (a Attempt) JobName() string { return "jobs/" + a.JobID() }

// FailureID returns the id of the failure of this attempt: the same failure
// told twice is the same Failure.
func (a Attempt) FailureID() string {
	return digest(a.Source, a.Job, strconv.Itoa(a.Number))
}

// DecisionName returns the resource name of the decision on this attempt.
func (a Attempt) DecisionName() string {
	return a.JobName() + "/decisions/" + strconv.Itoa(a.Number)
}

// digest returns 24 hex digits of the parts; no two lists of parts are joined
// to the same text.
func digest(parts ...string) string {
	var room [256]byte
	text := room[:0]
	for _, p := range parts {
		text = append(append(append(strconv.AppendInt(text, int64(len(p)), 10), ':'), p...), ',')
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}
