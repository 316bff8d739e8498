package job_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

func sparkJob() job.Job {
	j := own()
	j.Type.Engine = "spark"
	j.Config = configOf(map[string]any{"spark.executor.memory": "1g", "day": "monday", "home": "/opt/spark"})
	j.Task = &job.Task{
		Args: []string{"{{config.day}}"},
		Spark: &job.Spark{
			Application: "/srv/{{config.day}}.py", MainClass: "a.B", Home: "{{config.home}}", Master: "yarn", Name: "etl",
			PyFiles: []string{"s3a://u:hunter2@h/a.py"}, Files: []string{"f"}, Jars: []string{"j.jar", "k.jar"},
		},
	}
	return j
}

func TestASparkTaskIsLookedUpEverywhere(t *testing.T) {
	j := sparkJob()
	got, err := j.Task.Expand(objectOf(t, j.Config))
	if err != nil {
		t.Fatal(err)
	}
	want := *j.Task.Spark
	want.Application, want.Home = "/srv/monday.py", "/opt/spark"
	if !reflect.DeepEqual(*got.Spark, want) || got.Args[0] != "monday" {
		t.Errorf("Expand = %+v %q, want %+v", *got.Spark, got.Args, want)
	}
	if _, err := j.Task.Expand(nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("Expand without a configuration = %v, want Invalid", err)
	}
}

func TestASparkTaskIsValidatedEverywhere(t *testing.T) {
	good := sparkJob()
	good.Task.Spark.Home = ""
	if err := good.Validate(); err != nil {
		t.Errorf("a good job: %v", err)
	}
	for field, change := range map[string]func(*job.Job){
		"job.type.engine":       func(j *job.Job) { j.Type.Engine = "process" },
		"job.spark.application": func(j *job.Job) { j.Task.Spark.Application = "" },
		"job.spark.main_class":  func(j *job.Job) { j.Task.Spark.MainClass = "a\nb" },
		"job.spark.spark_home":  func(j *job.Job) { j.Task.Spark.Home = "opt/spark" },
		"job.spark.master":      func(j *job.Job) { j.Task.Spark.Master = strings.Repeat("x", 5000) },
		"job.spark.py_files[1]": func(j *job.Job) { j.Task.Spark.PyFiles = []string{"a", "b,c"} },
		"job.spark.files":       func(j *job.Job) { j.Task.Spark.Files = make([]string, 257) },
		"job.spark.jars[0]":     func(j *job.Job) { j.Task.Spark.Jars = []string{""} },
		"job.spark.args":        func(j *job.Job) { j.Task.Args = []string{"\x00"} },
		"job.spark.env":         func(j *job.Job) { j.Task.Env = map[string]string{"REDRIVE_X": ""} },
		"job.spark.work_dir":    func(j *job.Job) { j.Task.WorkDir = "here" },
		"job.spark":             func(j *job.Job) { j.Config = job.Config{} },
	} {
		j := sparkJob()
		j.Task.Spark.Home = ""
		change(&j)
		e, ok := errors.AsType[*errs.Error](j.Validate())
		if !ok || !strings.HasPrefix(e.Violations[0].Field, field) {
			t.Errorf("%s: %v", field, e)
		}
	}
	option := sparkJob()
	option.Task.Spark.Home, option.Task.Spark.Application = "", "--conf"
	if err := option.Validate(); !errs.Is(err, errs.Invalid) {
		t.Errorf("an application that is an option = %v, want Invalid", err)
	}
}

func TestASparkTaskIsMaskedAndSentBackAsItWas(t *testing.T) {
	j := sparkJob()
	j.State = job.Failed
	shown, err := j.Masked()
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(*shown.Task.Spark); strings.Contains(text, "hunter2") {
		t.Errorf("shown with its secret: %s", text)
	}
	sent := *shown.Task
	sent.Spark.Application = "/srv/new.py"
	next, _, _, err := job.Step(j, job.Unblocked{Task: &sent}, start)
	if err != nil {
		t.Fatal(err)
	}
	want := *j.Task.Spark
	want.Application = "/srv/new.py"
	if !reflect.DeepEqual(*next.Task.Spark, want) {
		t.Errorf("task after the retry = %+v, want %+v", *next.Task.Spark, want)
	}
	if _, _, _, err := job.Step(j, job.Unblocked{Task: &job.Task{Args: []string{"x"}}}, start); !errs.Is(err, errs.Invalid) {
		t.Errorf("a program in the place of an application = %v, want Invalid", err)
	}
}
