package job_test

import (
	"errors"
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
	j.Config = map[string]any{"big": strings.Repeat("x", job.MaxConfigBytes)}
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
		"job.retry_policy.deadline", "labels", "job.config",
	} {
		if !got[field] {
			t.Errorf("%s is not named; named are %v", field, got)
		}
	}
	if err := own().Validate(); err != nil {
		t.Errorf("a good job: %v", err)
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
