package cluster

import (
	"fmt"
	"regexp"

	"github.com/redrive-io/redrive/pkg/failure"
)

// words say which class a line speaks of; the first that matches does. It is a
// guess for a human to look at, and the rule that is made of it is in shadow:
// docs/rules.md has the same table.
var words = []struct {
	says  *regexp.Regexp
	class failure.Class
}{
	{fold(`cuda.*out of memory|gpu.*memory`), failure.MemoryGPU},
	{fold(`out of memory|cannot allocate memory`), failure.MemoryContainer},
	{fold(`no space left|disk (?:is )?full|volume is full`), failure.DiskFull},
	{fold(`too many requests|rate.?limit|throttl|slow down`), failure.Throttling},
	{fold(`quota|allowance|licen[sc]es? (?:are|is) used up`), failure.QuotaExceeded},
	{fold(`expired|unauthenticated|unauthorized|authenticat|credential|login failed|certificate`), failure.Credentials},
	{fold(`denied|forbidden|not (?:authorized|allowed|permitted)|privilege`), failure.Permission},
	{fold(`deadlock|conflict|lock (?:wait|held)|concurrent`), failure.ConcurrencyConflict},
	{fold(`no module named|classnotfound|cannot import|library not found|command not found`), failure.DependencyMissing},
	{fold(`schema|type mismatch|incompatible type|cannot cast|column .*(?:not found|missing|does not exist|unknown)`), failure.SchemaMismatch},
	{fold(`(?:table|database|bucket|topic|dataset|view|queue)\b.*(?:not found|missing|does not exist|unknown)`), failure.NotFoundObject},
	{fold(`no such file|(?:file|path|partition|input|object)\b.*(?:not found|missing|does not exist)`), failure.NotFoundData},
	{fold(`image.*pull|pull.*image`), failure.ImagePull},
	{fold(`no capacity|insufficient capacity|out of capacity`), failure.CapacityUnavailable},
	{fold(`connection (?:was )?reset|broken pipe|no route|unknown host|name resolution|handshake|connect\w* timed? ?out`), failure.NetworkTransient},
	{fold(`unavailable|not reach|unreachable|connection refused|is down|not respond|timed? ?out|deadline exceeded|try again later`), failure.DependencyUnavailable},
	{fold(`(?:unknown|invalid|unrecognized|missing) (?:option|flag|argument|setting|parameter|config\w*)|misconfigured|not configured`), failure.ConfigInvalid},
	{fold(`malformed|corrupt|invalid (?:value|record|row|date|json|utf)|pars(?:e|ing) error|duplicate key|constraint|validation|checksum`), failure.DataInvalid},
	{fold(`cancel+ed by|aborted by user`), failure.Cancelled},
	{regexp.MustCompile(`NullPointer|\b(?:Key|Type|Attribute|Index|Name|Assertion|ZeroDivision)Error\b|(?i:segmentation fault|assertion failed|panic:|undefined (?:function|variable))`), failure.CodeBug},
}

func fold(s string) *regexp.Regexp { return regexp.MustCompile(`(?i)` + s) }

// ClassOf guesses the class that a line speaks of; ok is false when none of its
// words says one.
func ClassOf(line string) (c failure.Class, ok bool) {
	for _, w := range words {
		if w.says.MatchString(line) {
			return w.class, true
		}
	}
	return "", false
}

// Retries says how the retries of failures ended.
type Retries struct{ Succeeded, Failed int }

// fewRetries say nothing. That none of manyRetries succeeded says that none
// will: fewer may all have met the same bad hour.
const (
	fewRetries  = 3
	manyRetries = 20
)

// VerdictOf returns the verdict of a rule of a class, as far as what came of
// retries says otherwise than the class; VerdictNone is the class's own. doubt
// says where the two disagree.
func VerdictOf(class failure.Class, r Retries) (v failure.Verdict, doubt string) {
	of := r.Succeeded + r.Failed
	meaning, _ := failure.MeaningOf(class)
	switch {
	case of < fewRetries:
		return failure.VerdictNone, ""
	case class == "": // the human who chooses one knows better
		return failure.VerdictNone, ""
	case r.Succeeded == 0 && of >= manyRetries && meaning.Verdict != failure.DoNotRetry && meaning.Verdict != failure.RetryWithConfig:
		return failure.DoNotRetry, fmt.Sprintf("none of %d retries succeeded, so the verdict is %s and not %s's own", of, failure.DoNotRetry, class)
	case r.Succeeded == 0 && meaning.Verdict == failure.Retry:
		return failure.RetrySlowly, fmt.Sprintf("none of %d retries succeeded, so the verdict is %s and not %s's own", of, failure.RetrySlowly, class)
	case 2*r.Succeeded >= of && meaning.Verdict == failure.DoNotRetry:
		return failure.RetrySlowly, fmt.Sprintf("%d of %d retries succeeded, so the verdict is %s and not %s's own: is it of another class?", r.Succeeded, of, failure.RetrySlowly, class)
	}
	return failure.VerdictNone, ""
}
