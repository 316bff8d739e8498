package job

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/jsonvalue"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

// Bounds of what a job may carry.
const (
	MaxConfigBytes  = 64 << 10
	MaxConfigValues = 4096 // of all depths: stored, each takes more than in JSON
	MaxArgs         = 256
	MaxArgBytes     = 32 << 10
	MaxEnv          = 256
	MaxEnvBytes     = 256 << 10 // of all values
	MaxLabels       = 32
	maxWorkDir      = 4096
)

var (
	idPattern    = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	labelPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$`)
	envPattern   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
)

// ValidateID names what is wrong with a job id.
func ValidateID(id string) error {
	if !idPattern.MatchString(id) {
		return errs.Field("job_id", "%q is not 1 to 63 of [a-z0-9-] that starts with a letter and ends with a letter or digit", id)
	}
	return nil
}

// Validate names all that is wrong with a job that is to be submitted.
func (j Job) Validate() error {
	config, err := j.Config.Object()
	if err != nil {
		return err
	}
	all := []error{j.Type.Validate("job.type"), ValidateConfig("job.config", config), ValidateOverrides("job.retry_policy", j.Overrides), j.validateLabels("job.")}
	if j.Task == nil {
		all = append(all, errs.Field("job.process", "is required: say what to run in job.process.args, or in job.spark"))
	} else {
		field := "job." + j.Task.Field()
		all = append(all, j.checkEngine(), j.Task.Validate(field), j.Task.checkLookups(field, config))
	}
	return errs.Fields(all...)
}

// ValidateConfig names what is wrong with a configuration.
func ValidateConfig(field string, config map[string]any) error {
	if n, ok := jsonvalue.Bound(config); ok && n <= MaxConfigBytes && values(config) <= MaxConfigValues {
		return nil
	}
	text, err := json.Marshal(config)
	if err != nil {
		return errs.Field(field, "is not JSON: %w", err)
	}
	if len(text) > MaxConfigBytes {
		return errs.Field(field, "has %d bytes as JSON, more than %d", len(text), MaxConfigBytes)
	}
	if n := values(config); n > MaxConfigValues {
		return errs.Field(field, "has %d values, more than %d", n, MaxConfigValues)
	}
	return nil
}

// values counts the values in v, itself included.
func values(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			n += values(member)
		}
	case []any:
		for _, member := range v {
			n += values(member)
		}
	}
	return n
}

// ValidateReport names what is wrong with what another scheduler says of a job,
// its configuration aside.
func (j Job) ValidateReport() error {
	return errs.Fields(j.Type.Validate("type"), ValidateOverrides("retry_policy", j.Overrides), j.validateLabels(""))
}

// Validate names all that is wrong with a task.
func (t Task) Validate(field string) error {
	var all []error
	if t.Spark != nil {
		all = append(all, t.Spark.validate(field))
	} else if len(t.Args) == 0 || t.Args[0] == "" {
		all = append(all, errs.Field(field+".args", "must name a program"))
	}
	if len(t.Args) > MaxArgs {
		all = append(all, errs.Field(field+".args", "has %d arguments, more than %d", len(t.Args), MaxArgs))
	}
	total := 0
	for _, a := range t.Args {
		total += len(a)
		if strings.ContainsRune(a, 0) {
			all = append(all, errs.Field(field+".args", "must not contain NUL"))
			break
		}
	}
	if total > MaxArgBytes {
		all = append(all, errs.Field(field+".args", "has %d bytes, more than %d", total, MaxArgBytes))
	}
	if len(t.Env) > MaxEnv {
		all = append(all, errs.Field(field+".env", "has %d variables, more than %d", len(t.Env), MaxEnv))
	}
	total = 0
	for name, value := range t.Env {
		total += len(value)
		switch {
		case !envPattern.MatchString(name):
			all = append(all, errs.Field(field+".env", "%q is not a name of an environment variable", name))
		case strings.HasPrefix(name, "REDRIVE_"):
			all = append(all, errs.Field(field+".env", "%q: names that start with REDRIVE_ are set by the scheduler", name))
		case len(value) > MaxArgBytes || strings.ContainsRune(value, 0):
			all = append(all, errs.Field(field+".env", "the value of %q must have at most %d bytes and no NUL", name, MaxArgBytes))
		}
	}
	if total > MaxEnvBytes {
		all = append(all, errs.Field(field+".env", "has %d bytes, more than %d", total, MaxEnvBytes))
	}
	if len(t.WorkDir) > maxWorkDir {
		all = append(all, errs.Field(field+".work_dir", "has %d bytes, more than %d", len(t.WorkDir), maxWorkDir))
	}
	if t.WorkDir != "" && !strings.HasPrefix(t.WorkDir, "/") {
		all = append(all, errs.Field(field+".work_dir", "%q is not an absolute path", t.WorkDir))
	}
	return errs.Fields(all...)
}

func (j Job) validateLabels(prefix string) error {
	var all []error
	if len(j.Labels) > MaxLabels {
		all = append(all, errs.Field(prefix+"labels", "has %d labels, more than %d", len(j.Labels), MaxLabels))
	}
	for k, v := range j.Labels {
		if !labelPattern.MatchString(k) || (v != "" && !labelPattern.MatchString(v)) {
			all = append(all, errs.Field(prefix+"labels", "%q=%q: keys and values have 1 to 63 of [A-Za-z0-9._/-] and start and end with a letter or digit", k, v))
		}
	}
	if j.InputBytes < 0 {
		all = append(all, errs.Field(prefix+"input_bytes", "%d is negative; 0 is unknown", j.InputBytes))
	}
	if len(j.Owner) > 128 {
		all = append(all, errs.Field(prefix+"owner", "has %d characters, more than 128", len(j.Owner)))
	}
	return errs.Fields(all...)
}

// ValidateOverrides names what is wrong with a retry policy.
func ValidateOverrides(field string, o policy.Overrides) error {
	var all []error
	for name, n := range map[string]*int{
		"user_retries": o.UserRetries, "system_retries": o.SystemRetries,
		"memory_retries": o.MemoryRetries, "timeout_retries": o.TimeoutRetries, "alert_after": o.AlertAfter,
	} {
		if n != nil && (*n < 0 || *n > policy.MaxRetries) {
			all = append(all, errs.Field(field+"."+name, "%d is not between 0 and %d", *n, policy.MaxRetries))
		}
	}
	const longest = 366 * 24 * time.Hour
	for name, d := range map[string]time.Duration{
		"min_backoff": o.MinBackoff, "max_backoff": o.MaxBackoff,
		"run_timeout": o.RunTimeout, "queue_timeout": o.QueueTimeout, "deadline": o.Deadline,
	} {
		if d < 0 || d > longest {
			all = append(all, errs.Field(field+"."+name, "%s is not between 0s and %s", d, longest))
		}
	}
	return errs.Fields(all...)
}

// lookup is "{{config.KEY}}"; KEY may contain dots, as Spark's keys do.
var lookup = regexp.MustCompile(`\{\{\s*config\.([A-Za-z0-9_.-]+)\s*\}\}`)

// Expand returns the task with every "{{config.KEY}}" replaced by the value of
// KEY in config. There is nothing else in the language, so a template cannot do
// anything but look up. A key that is missing, or that is no text, number or
// boolean, is errs.Invalid.
func (t Task) Expand(config map[string]any) (Task, error) {
	var problem error
	expand := func(s string) string {
		return lookup.ReplaceAllStringFunc(s, func(match string) string {
			key := lookup.FindStringSubmatch(match)[1]
			text, err := scalar(config, key)
			if err != nil && problem == nil {
				problem = err
			}
			return text
		})
	}
	out := Task{Args: make([]string, len(t.Args)), Env: make(map[string]string, len(t.Env)), WorkDir: expand(t.WorkDir)}
	for i, a := range t.Args {
		out.Args[i] = expand(a)
	}
	for k, v := range t.Env {
		out.Env[k] = expand(v)
	}
	if t.Spark != nil {
		out.Spark = t.Spark.each(expand)
	}
	return out, problem
}

func scalar(config map[string]any, key string) (string, error) {
	switch v := config[key].(type) {
	case string:
		return v, nil
	case bool:
		return fmt.Sprint(v), nil
	case float64: // as JSON writes it: 512, not 5.12e+02
		text, err := json.Marshal(v)
		return string(text), err
	case nil:
		return "", errs.Field("config."+key, "is missing, and the task looks it up")
	default:
		return "", errs.Field("config."+key, "is a %T, and the task needs a text, a number or a boolean", v)
	}
}

func (t Task) checkLookups(field string, config map[string]any) error {
	if _, err := t.Expand(config); err != nil {
		return errs.Field(field, "%w", err)
	}
	return nil
}
