package wire_test

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/wire"
)

func TestAJobRunsOneOfBoth(t *testing.T) {
	process, spark := &redrivev1.ProcessTask{Args: []string{"x"}}, &redrivev1.SparkTask{Application: "a.py"}
	if err := wire.CheckTask("job.spark", process, spark); !errs.Is(err, errs.Invalid) {
		t.Errorf("both: %v, want Invalid", err)
	}
	for _, one := range []*redrivev1.Job{{Process: process}, {Spark: spark}, {}} {
		if err := wire.CheckTask("job.spark", one.GetProcess(), one.GetSpark()); err != nil {
			t.Errorf("%v: %v", one, err)
		}
		j, err := wire.FromJob(one)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case j.Task == nil:
			if one.GetProcess() != nil || one.GetSpark() != nil {
				t.Errorf("%v has no task", one)
			}
		case (j.Task.Spark != nil) != (one.GetSpark() != nil):
			t.Errorf("%v is read as %+v", one, j.Task)
		}
	}
}
