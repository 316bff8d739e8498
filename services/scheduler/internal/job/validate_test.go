package job_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

func TestExpand(t *testing.T) {
	config := map[string]any{"heap_mb": 512.0, "spark.executor.memory": "4g", "dry": true, "list": []any{1.0}}
	task := job.Task{
		Args: []string{"java", "-Xmx{{config.heap_mb}}m", "{{ config.spark.executor.memory }}", "$(rm -rf /) {{.}} {{env.HOME}}"},
		Env:  map[string]string{"DRY": "{{config.dry}}"},
	}
	got, err := task.Expand(config)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"java", "-Xmx512m", "4g", "$(rm -rf /) {{.}} {{env.HOME}}"}
	if !reflect.DeepEqual(got.Args, want) || got.Env["DRY"] != "true" {
		t.Errorf("Expand = %q %q, want %q", got.Args, got.Env, want)
	}
	for _, missing := range []string{"{{config.nothing}}", "{{config.list}}"} {
		if _, err := (job.Task{Args: []string{missing}}).Expand(config); !errs.Is(err, errs.Invalid) {
			t.Errorf("Expand(%q) = %v, want Invalid", missing, err)
		}
	}
}

func TestValidateNamesEveryField(t *testing.T) {
	many := 100
	j := own()
	j.Type.Engine = ""
	j.Task = &job.Task{Args: []string{"a\x00b"}, Env: map[string]string{"REDRIVE_JOB": "x", "1A": ""}, WorkDir: "here"}
	j.Overrides.UserRetries = &many
	j.Overrides.Deadline = -time.Second
	j.Labels = map[string]string{"-": "x"}
	j.Config = configOf(map[string]any{"big": strings.Repeat("x", job.MaxConfigBytes)})
	e, _ := errors.AsType[*errs.Error](j.Validate())
	if e == nil {
		t.Fatal("a job that is wrong everywhere is valid")
	}
	got := map[string]bool{}
	for _, v := range e.Violations {
		got[v.Field] = true
	}
	for _, field := range []string{
		"job.type.engine", "job.process.args", "job.process.env", "job.process.work_dir", "job.retry_policy.user_retries",
		"job.retry_policy.deadline", "job.labels", "job.config",
	} {
		if !got[field] {
			t.Errorf("%s is not named; named are %v", field, got)
		}
	}
	if err := own().Validate(); err != nil {
		t.Errorf("a good job: %v", err)
	}
}

func TestBoundsOfWhatAJobCarries(t *testing.T) {
	for _, tc := range []struct {
		field  string
		change func(*job.Job)
	}{
		{"job.config", func(j *job.Job) { j.Config = configOf(map[string]any{"list": make([]any, job.MaxConfigValues)}) }},
		{"job.process.args", func(j *job.Job) { j.Task = &job.Task{Args: make([]string, job.MaxArgs+1)} }},
		{"job.process.args", func(j *job.Job) { j.Task = &job.Task{Args: []string{"x", strings.Repeat("x", job.MaxArgBytes)}} }},
		{"job.process.work_dir", func(j *job.Job) {
			j.Task = &job.Task{Args: []string{"x"}, WorkDir: "/" + strings.Repeat("x", 4096)}
		}},
		{"job.process.env", func(j *job.Job) {
			env := map[string]string{}
			for i := range 9 {
				env["A"+strings.Repeat("A", i)] = strings.Repeat("x", job.MaxArgBytes)
			}
			j.Task = &job.Task{Args: []string{"x"}, Env: env}
		}},
		{"job.process", func(j *job.Job) { j.Task = &job.Task{Args: []string{"{{config.nothing}}"}} }},
		{"job.process", func(j *job.Job) { j.Task = nil }},
		{"job.input_bytes", func(j *job.Job) { j.InputBytes = -1 }},
		{"job.owner", func(j *job.Job) { j.Owner = strings.Repeat("x", 129) }},
		{"job.retry_policy.max_backoff", func(j *job.Job) { j.Overrides.MaxBackoff = 367 * 24 * time.Hour }},
	} {
		j := own()
		tc.change(&j)
		e, _ := errors.AsType[*errs.Error](j.Validate())
		if e == nil || e.Kind != errs.Invalid || !strings.HasPrefix(e.Violations[0].Field, tc.field) {
			t.Errorf("%s: %v, want the field named", tc.field, e)
		}
	}
}

func TestSecretsAreMaskedAndSentBackAsTheyWere(t *testing.T) {
	j := own()
	j.State = job.Failed
	j.Config = configOf(map[string]any{"memory_mb": 64.0, "db.password": "hunter2"})
	j.Attempts = []job.Attempt{{Number: 1, Config: j.Config}}
	j.Task = &job.Task{
		Args: []string{"load", "--password", "hunter2", "--fast"}, WorkDir: "/w",
		Env: map[string]string{"DB_PASSWORD": "hunter2", "MODE": "full"},
	}
	shown, err := j.Masked()
	if err != nil {
		t.Fatal(err)
	}
	config, attempt := objectOf(t, shown.Config), objectOf(t, shown.Attempts[0].Config)
	if text := fmt.Sprint(config, attempt, shown.Task); strings.Contains(text, "hunter2") {
		t.Errorf("shown with its secret: %s", text)
	}
	if config["memory_mb"] != 64.0 || attempt["memory_mb"] != 64.0 || shown.Task.Env["MODE"] != "full" || shown.Task.Args[3] != "--fast" {
		t.Errorf("shown without what is no secret: %v %v %+v", config, attempt, shown.Task)
	}
	if objectOf(t, j.Config)["db.password"] != "hunter2" || j.Task.Args[2] != "hunter2" || objectOf(t, j.Attempts[0].Config)["db.password"] != "hunter2" {
		t.Fatal("masking changed the job itself")
	}
	sent := *shown.Task
	sent.Env = map[string]string{"DB_PASSWORD": sent.Env["DB_PASSWORD"], "MODE": "quick", "NEW": "x"}
	next, _, _, err := job.Step(j, job.Unblocked{Task: &sent}, start)
	if err != nil {
		t.Fatal(err)
	}
	want := job.Task{Args: j.Task.Args, WorkDir: "/w", Env: map[string]string{"DB_PASSWORD": "hunter2", "MODE": "quick", "NEW": "x"}}
	if !reflect.DeepEqual(*next.Task, want) {
		t.Errorf("task after the retry = %+v, want %+v", *next.Task, want)
	}
}

func TestANewTaskMustFitTheConfiguration(t *testing.T) {
	j := own()
	j.State = job.Failed
	_, _, _, err := job.Step(j, job.Unblocked{Task: &job.Task{Args: []string{"{{config.nothing}}"}}}, start)
	if !errs.Is(err, errs.Invalid) {
		t.Errorf("retry with a look-up of nothing = %v, want Invalid", err)
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("-Xmx{{config.heap_mb}}m", "heap_mb", "1")
	f.Add("{{config.a}}{{config.a}}", "a", "{{config.a}}")
	f.Fuzz(func(t *testing.T, arg, key, value string) {
		got, err := job.Task{Args: []string{arg}}.Expand(map[string]any{key: value})
		if err != nil {
			return
		}
		if !strings.Contains(arg, "{{") && got.Args[0] != arg {
			t.Errorf("Expand(%q) = %q, want it as it is", arg, got.Args[0])
		}
	})
}

// A configuration that is passed without being written is one that could be.
func FuzzValidateConfig(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,null,true,"é<>"],"b":{"c":-1e300}}`, `{"a":"` + strings.Repeat(`\u0000`, 12000) + `"}`} {
		f.Add(s, 1.5)
	}
	f.Add(`{}`, math.Inf(1))
	f.Fuzz(func(t *testing.T, text string, number float64) {
		var config map[string]any
		if json.Unmarshal([]byte(text), &config) != nil || config == nil {
			return
		}
		config["number"] = number
		written, err := json.Marshal(config)
		good := err == nil && len(written) <= job.MaxConfigBytes && strings.Count(text, ",") < job.MaxConfigValues/2
		if got := job.ValidateConfig("config", config); good && got != nil || got == nil && (err != nil || len(written) > job.MaxConfigBytes) {
			t.Errorf("ValidateConfig = %v of %d bytes (%v)", got, len(written), err)
		}
	})
}
