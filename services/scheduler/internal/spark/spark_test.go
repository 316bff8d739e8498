package spark_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/spark"
)

type config = map[string]any

func task(change func(*job.Task)) job.Task {
	t := job.Task{Args: []string{"2026-11-01"}, Spark: &job.Spark{Application: "/srv/etl.py", Home: "/opt/spark"}}
	if change != nil {
		change(&t)
	}
	return t
}

// conf returns what --conf says, by key, and the other arguments.
func conf(t *testing.T, args []string) (properties map[string]string, rest []string) {
	t.Helper()
	properties = map[string]string{}
	last := ""
	for i := 0; i < len(args); i++ {
		if args[i] != "--conf" {
			rest = append(rest, args[i])
			continue
		}
		i++
		key, value, _ := strings.Cut(args[i], "=")
		if key <= last {
			t.Errorf("--conf %s is not in order after %s", key, last)
		}
		properties[key], last = value, key
	}
	return properties, rest
}

func TestArgumentsComeFromTheTaskAndTheConfiguration(t *testing.T) {
	s, err := spark.Submit(task(func(t *job.Task) {
		t.Args = []string{"--day", "2026-11-01; rm -rf /"}
		t.Env = map[string]string{"PYSPARK_PYTHON": "python3", "SPARK_HOME": "/elsewhere"}
		t.Spark.Master, t.Spark.Name, t.Spark.MainClass = "spark://m:7077", "daily etl", "org.example.Main"
		t.Spark.PyFiles, t.Spark.Files, t.Spark.Jars = []string{"a.py", "b.zip"}, []string{"f"}, []string{"j.jar"}
	}), config{
		"spark.executor.memory": "2g", "spark.executor.cores": 4.0, "spark.ui.enabled": false, "spark.sql.shuffle.partitions": 1e6,
		"spark.app.note": "a = b\nc", "rows": 5.0,
	}, "/data/attempts/j/1", "")
	if err != nil {
		t.Fatal(err)
	}
	got, rest := conf(t, s.Args)
	want := []string{
		"/opt/spark/bin/spark-submit", "--deploy-mode", "client", "--master", "spark://m:7077", "--name", "daily etl",
		"--class", "org.example.Main", "--py-files", "a.py,b.zip", "--files", "f", "--jars", "j.jar",
		"/srv/etl.py", "--day", "2026-11-01; rm -rf /",
	}
	if !slices.Equal(rest, want) {
		t.Errorf("arguments are %q\nwant %q", rest, want)
	}
	for key, want := range map[string]string{
		"spark.executor.memory": "2g", "spark.executor.cores": "4", "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "1000000",
		"spark.app.note": "a = b\nc", "spark.eventLog.enabled": "true", "spark.eventLog.dir": "file:///data/attempts/j/1/eventlog",
		"spark.eventLog.compress": "false", "spark.eventLog.rolling.enabled": "false", "rows": "",
		"spark.eventLog.logStageExecutorMetrics": "true", "spark.executor.processTreeMetrics.enabled": "true",
	} {
		if got[key] != want {
			t.Errorf("--conf %s is %q, want %q", key, got[key], want)
		}
	}
	if s.Env["SPARK_HOME"] != "/opt/spark" || s.Env["PYSPARK_PYTHON"] != "python3" || !slices.Equal(s.Folders, []string{"eventlog"}) || len(s.Files) != 0 {
		t.Errorf("submission is %+v", s)
	}
}

func TestSecretsAreInNoArgument(t *testing.T) {
	home := t.TempDir()
	defaults := "# ours\nspark.master yarn\nspark.eventLog.enabled=true\nspark.long a\\\n spark.not.a.key b"
	if err := os.Mkdir(filepath.Join(home, "conf"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "conf", "spark-defaults.conf"), []byte(defaults), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := spark.Submit(task(func(t *job.Task) { t.Spark.Home = "" }), config{
		"spark.hadoop.fs.s3a.secret.key": `hunter2\ x`, "spark.ssl.keyPassword": " hunter2", "spark.authenticate.secret": "hunter2\nhunter2",
		"spark.hadoop.url": "jdbc://u:hunter2@h/x", "spark.executor.memory": "2g",
	}, "/f", home)
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(s.Args, " "); strings.Contains(all, "hunter2") {
		t.Errorf("the arguments are %s", all)
	}
	got, rest := conf(t, s.Args)
	if !slices.Contains(rest, "--properties-file") || !slices.Contains(rest, "/f/files/spark.conf") || got["spark.executor.memory"] != "2g" {
		t.Errorf("arguments are %q", s.Args)
	}
	want := defaults + "\n\n" + `spark.authenticate.secret=hunter2\nhunter2
spark.hadoop.fs.s3a.secret.key=hunter2\\ x
spark.hadoop.url=jdbc://u:hunter2@h/x
spark.ssl.keyPassword=\ hunter2
`
	if len(s.Files) != 1 || s.Files[0].Name != "spark.conf" || s.Files[0].Content != want {
		t.Errorf("files are %q\nwant %q", s.Files, want)
	}
	for key := range got {
		if strings.HasPrefix(key, "spark.eventLog") {
			t.Errorf("%s is set although spark-defaults.conf has an event log of its own", key)
		}
	}
}

func TestAnEventLogOfTheJobsOwnIsLeftAlone(t *testing.T) {
	own := config{"spark.eventLog.enabled": false, "spark.eventLog.dir": "hdfs:///logs"}
	for key, value := range own {
		s, err := spark.Submit(task(nil), config{key: value}, "/f", "")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := conf(t, s.Args); len(got) != 1 {
			t.Errorf("with %s: %v, want nothing else", key, got)
		}
	}
	s, err := spark.Submit(task(nil), config{"spark.eventLog.logStageExecutorMetrics": false, "spark.eventLog.compress": true}, "/f", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := conf(t, s.Args); got["spark.eventLog.logStageExecutorMetrics"] != "false" || got["spark.eventLog.compress"] != "false" {
		t.Errorf("got %v, want a plain log and no metrics", got)
	}
}

func TestWhatCannotRunIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		config config
		field  string
	}{
		"a list":          {config{"spark.jars": []any{"a"}}, "config.spark.jars"},
		"a strange name":  {config{"spark.a b": "c"}, "config.spark.a b"},
		"NUL":             {config{"spark.a": "\x00"}, "config.spark.a"},
		"cluster mode":    {config{"spark.submit.deployMode": "cluster"}, "config.spark.submit.deployMode"},
		"an equals sign":  {config{"spark.a=b": "c"}, "config.spark.a=b"},
		"two wrong names": {config{"spark.a=b": "c", "spark.": "c"}, "config.spark."},
	} {
		_, err := spark.Submit(task(nil), tc.config, "/f", "")
		if errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), tc.field) {
			t.Errorf("%s: %v, want Invalid that names %s", name, err, tc.field)
		}
	}
	_, err := spark.Submit(task(func(t *job.Task) { t.Spark.Home = "" }), nil, "/f", "")
	if errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), "spark_home") {
		t.Errorf("without SPARK_HOME: %v, want Invalid", err)
	}
	if _, err := spark.Submit(task(nil), config{"spark.submit.deployMode": "client"}, "/f", ""); err != nil {
		t.Errorf("client mode: %v", err)
	}
}
