package wire

import (
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

// taskProto writes what to run; both are nil for nothing.
func taskProto(t *job.Task) (*redrivev1.ProcessTask, *redrivev1.SparkTask) {
	switch {
	case t == nil:
		return nil, nil
	case t.Spark == nil:
		return &redrivev1.ProcessTask{Args: t.Args, Env: t.Env, WorkDir: t.WorkDir}, nil
	}
	s := t.Spark
	return nil, &redrivev1.SparkTask{
		Application: s.Application, MainClass: s.MainClass, Args: t.Args, SparkHome: s.Home, Master: s.Master, Name: s.Name,
		PyFiles: s.PyFiles, Files: s.Files, Jars: s.Jars, Env: t.Env, WorkDir: t.WorkDir,
	}
}

// FromTask reads what to run, at most one of both; nil for neither. CheckTask
// tells a caller who gives both.
func FromTask(p *redrivev1.ProcessTask, s *redrivev1.SparkTask) *job.Task {
	switch {
	case s != nil:
		return &job.Task{Args: s.GetArgs(), Env: s.GetEnv(), WorkDir: s.GetWorkDir(), Spark: &job.Spark{
			Application: s.GetApplication(), MainClass: s.GetMainClass(), Home: s.GetSparkHome(), Master: s.GetMaster(), Name: s.GetName(),
			PyFiles: s.GetPyFiles(), Files: s.GetFiles(), Jars: s.GetJars(),
		}}
	case p != nil:
		return &job.Task{Args: p.GetArgs(), Env: p.GetEnv(), WorkDir: p.GetWorkDir()}
	}
	return nil
}

// CheckTask is errs.Invalid when both are set; field names the second.
func CheckTask(field string, p *redrivev1.ProcessTask, s *redrivev1.SparkTask) error {
	if p != nil && s != nil {
		return errs.Field(field, "must be unset where process is set: a job runs one of both")
	}
	return nil
}
