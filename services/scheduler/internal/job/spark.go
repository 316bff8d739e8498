package job

import (
	"fmt"
	"strings"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
)

// Spark says that a task's arguments are those of a Spark application, and how
// to submit it.
type Spark struct {
	Application string // a Python file or a jar
	MainClass   string // of a jar
	Home        string // the folder that has bin/spark-submit; empty: SPARK_HOME
	Master      string // empty: of the configuration
	Name        string
	PyFiles     []string
	Files       []string
	Jars        []string
}

// Bounds of a Spark task.
const (
	maxSparkText  = 4096 // bytes of one text
	maxSparkFiles = 256  // members of one list
)

func (s Spark) validate(field string) error {
	var all []error
	if s.Application == "" {
		all = append(all, errs.Field(field+".application", "is required: a Python file or a jar"))
	}
	if strings.HasPrefix(s.Application, "-") {
		all = append(all, errs.Field(field+".application", "%q would be read as an option of spark-submit", s.Application))
	}
	for name, text := range map[string]string{
		"application": s.Application, "main_class": s.MainClass, "spark_home": s.Home, "master": s.Master, "name": s.Name,
	} {
		all = append(all, checkSparkText(field+"."+name, text))
	}
	if s.Home != "" && !strings.HasPrefix(s.Home, "/") {
		all = append(all, errs.Field(field+".spark_home", "%q is not an absolute path", s.Home))
	}
	for name, list := range map[string][]string{"py_files": s.PyFiles, "files": s.Files, "jars": s.Jars} {
		if len(list) > maxSparkFiles {
			all = append(all, errs.Field(field+"."+name, "has %d members, more than %d", len(list), maxSparkFiles))
		}
		for i, file := range list {
			member := fmt.Sprintf("%s.%s[%d]", field, name, i)
			if file == "" || strings.Contains(file, ",") {
				all = append(all, errs.Field(member, "%q must be a path or URL without a comma", file))
			}
			all = append(all, checkSparkText(member, file))
		}
	}
	return errs.Fields(all...)
}

func checkSparkText(field, text string) error {
	if len(text) > maxSparkText || strings.ContainsAny(text, "\x00\r\n") {
		return errs.Field(field, "must have at most %d bytes and neither NUL nor a line's end", maxSparkText)
	}
	return nil
}

// each returns a copy of s with change made to each text.
func (s Spark) each(change func(string) string) *Spark {
	list := func(from []string) []string {
		var to []string
		for _, text := range from {
			to = append(to, change(text))
		}
		return to
	}
	return &Spark{
		Application: change(s.Application), MainClass: change(s.MainClass), Home: change(s.Home), Master: change(s.Master),
		Name: change(s.Name), PyFiles: list(s.PyFiles), Files: list(s.Files), Jars: list(s.Jars),
	}
}

// Field returns the name of the field of a job that the task is in.
func (t Task) Field() string {
	if t.Spark != nil {
		return "spark"
	}
	return "process"
}

// checkEngine is errs.Invalid when a Spark application is not of Spark's engine:
// nothing would know what its memory is.
func (j Job) checkEngine() error {
	if j.Task != nil && j.Task.Spark != nil && j.Type.Engine != engine.Spark {
		return errs.Field("job.type.engine", "%q must be %q for a job with job.spark", j.Type.Engine, engine.Spark)
	}
	return nil
}
