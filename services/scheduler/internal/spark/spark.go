// Package spark makes an attempt of a Spark application a supervised process:
// spark-submit in client mode, so that the driver lives and dies with it. From
// what Spark leaves behind, its event log and the logs of executors on this
// host, it completes the attempt's evidence.
package spark

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/redact"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

// Submission is what a task and a configuration say of how to run.
type Submission struct {
	Args    []string
	Files   []process.File
	Folders []string
	// Env is the environment of the task, completed.
	Env map[string]string
}

// The names of an attempt's files and folders.
const (
	propertiesFile  = "spark.conf"
	eventFolderName = "eventlog"
)

const propertyPrefix = "spark."

// Properties that say where the event log goes. Whoever sets one of them wants
// it elsewhere, and sees to the others.
const (
	eventLogEnabled = "spark.eventLog.enabled"
	eventLogDir     = "spark.eventLog.dir"
)

// deployMode must be what spark-submit is told: in cluster mode the end of
// spark-submit would say nothing of the driver's.
const deployMode = "spark.submit.deployMode"

// The properties of an event log of our own: one file of plain text. Peaks of
// memory are in it unless somebody has said otherwise.
var (
	eventLogProperties = map[string]string{
		eventLogEnabled: "true", "spark.eventLog.compress": "false", "spark.eventLog.rolling.enabled": "false",
	}
	peakProperties = map[string]string{
		"spark.eventLog.logStageExecutorMetrics": "true", "spark.executor.processTreeMetrics.enabled": "true",
	}
)

// Submit returns how to run a task, whose look-ups are done, with a
// configuration, for the attempt with this folder. home is SPARK_HOME of the
// server, which the task may replace. Properties are arguments, sorted; those
// that look like secrets are in a file, because everybody on a host sees
// arguments. What cannot run is errs.Invalid.
func Submit(t job.Task, config map[string]any, folder, home string) (Submission, error) {
	env := environment(t, home)
	home = env["SPARK_HOME"]
	if home == "" {
		return Submission{}, errs.Field("spark.spark_home", "is required where neither env nor the server has SPARK_HOME: the folder that has bin/spark-submit")
	}
	properties, err := properties(config)
	if err != nil {
		return Submission{}, err
	}
	defaults, err := readDefaults(home, env)
	if err != nil {
		return Submission{}, err
	}
	observe(properties, defaults, folder)
	s := Submission{Env: env, Folders: []string{eventFolderName}, Args: []string{filepath.Join(home, "bin", "spark-submit"), "--deploy-mode", "client"}}
	s.option("--master", t.Spark.Master)
	s.option("--name", t.Spark.Name)
	s.option("--class", t.Spark.MainClass)
	s.option("--py-files", strings.Join(t.Spark.PyFiles, ","))
	s.option("--files", strings.Join(t.Spark.Files, ","))
	s.option("--jars", strings.Join(t.Spark.Jars, ","))
	secrets := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		if secret(key, properties[key]) {
			secrets[key] = properties[key]
		} else {
			s.option("--conf", key+"="+properties[key])
		}
	}
	if len(secrets) > 0 {
		// The file takes the place of spark-defaults.conf, and so has what that has.
		s.Files = []process.File{{Name: propertiesFile, Content: defaults.text + written(secrets)}}
		s.option("--properties-file", process.FilePath(folder, propertiesFile))
	}
	s.Args = append(append(s.Args, t.Spark.Application), t.Args...)
	return s, nil
}

// environment returns that of a task, with the SPARK_HOME that counts.
func environment(t job.Task, home string) map[string]string {
	env := map[string]string{}
	maps.Copy(env, t.Env)
	env["SPARK_HOME"] = cmp.Or(t.Spark.Home, env["SPARK_HOME"], home)
	return env
}

func (s *Submission) option(name, value string) {
	if value != "" {
		s.Args = append(s.Args, name, value)
	}
}

// propertyName is what a property may be called: spark-submit cuts at the first
// "=", and a file at white space and ":" too.
var propertyName = regexp.MustCompile(`^spark\.[A-Za-z0-9_.$/-]{1,250}$`)

// properties returns the members of a configuration that are Spark's.
func properties(config map[string]any) (map[string]string, error) {
	all := map[string]string{}
	var wrong []error
	for key, member := range config {
		if !strings.HasPrefix(key, propertyPrefix) {
			continue
		}
		text, ok := plain(member)
		switch {
		case !propertyName.MatchString(key):
			wrong = append(wrong, errs.Field("config."+key, "is not a name of a Spark property: spark. and up to 250 of [A-Za-z0-9_.$/-]"))
		case !ok:
			wrong = append(wrong, errs.Field("config."+key, "is a %T; a Spark property is a text, a number or a boolean", member))
		case strings.ContainsRune(text, 0):
			wrong = append(wrong, errs.Field("config."+key, "must not contain NUL"))
		case key == deployMode && text != "client":
			wrong = append(wrong, errs.Field("config."+key, "%q must be client: the driver runs below the scheduler", text))
		}
		all[key] = text
	}
	return all, errs.Fields(wrong...)
}

func plain(member any) (string, bool) {
	switch m := member.(type) {
	case string:
		return m, true
	case bool:
		return fmt.Sprint(m), true
	case float64: // as JSON writes it: 512, not 5.12e+02
		text, err := json.Marshal(m)
		return string(text), err == nil
	}
	return "", false
}

// observe switches the event log on, below the attempt's folder, unless
// somebody has said otherwise.
func observe(properties map[string]string, defaults defaults, folder string) {
	set := func(key string) bool {
		_, given := properties[key]
		return given || defaults.keys[key]
	}
	if set(eventLogEnabled) || set(eventLogDir) {
		return
	}
	for key, value := range peakProperties {
		if !set(key) {
			properties[key] = value
		}
	}
	maps.Copy(properties, eventLogProperties)
	properties[eventLogDir] = (&url.URL{Scheme: "file", Path: eventFolder(folder)}).String()
}

func eventFolder(folder string) string { return filepath.Join(folder, eventFolderName) }

// secretName is what Spark itself hides, spark.redaction.regex.
var secretName = regexp.MustCompile(`(?i)secret|password|token|access[.]?key`)

func secret(key, value string) bool {
	return secretName.MatchString(key) || redact.Config(map[string]any{key: value})[key] != value
}
