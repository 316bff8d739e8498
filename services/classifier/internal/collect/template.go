package collect

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// Placeholder stands for an application's id in a template.
const Placeholder = "{application_id}"

// Template leads from the id of an application, such as Spark's, to its logs:
// s3://logs/spark/{application_id}/driver.log. A "*" in the last part of the
// path stands for anything.
type Template struct {
	// Source is how its logs are called.
	Source string
	// URL has Placeholder in it.
	URL string
}

// defaultSource is how the logs of a template without a name are called.
const defaultSource = "application"

// SplitTemplate takes the name off NAME=URL, and reports whether the rest is a
// template, with the folder that all its URLs are below.
func SplitTemplate(s string) (t Template, folder string, ok bool) {
	t = Template{defaultSource, s}
	if name, rest, found := strings.Cut(s, "="); found && sourceName.MatchString(name) {
		t = Template{name, rest}
	}
	before, _, ok := strings.Cut(t.URL, Placeholder)
	if !ok {
		return t, t.URL, false
	}
	// A query belongs to the template alone.
	return t, before[:strings.LastIndexByte(before, '/')+1], true
}

var sourceName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// Check refuses a template whose stars mean nothing.
func (t Template) Check() error {
	path, _, _ := strings.Cut(t.URL, "?")
	folder := path[:strings.LastIndexByte(path, '/')+1]
	if strings.Contains(folder, "*") {
		return errs.New(errs.Invalid, "%.200q: only the last part of the path may have a \"*\"", t.URL)
	}
	return nil
}

// maxApplications bounds the applications of one failure.
const maxApplications = 2

// expand returns what the templates lead to.
func (c Collector) expand(e failure.Evidence, labels map[string]string) []ref {
	if len(c.options.Templates) == 0 {
		return nil
	}
	var all []ref
	for _, id := range applications(e, labels) {
		for _, t := range c.options.Templates {
			uri := strings.ReplaceAll(t.URL, Placeholder, id)
			if slices.ContainsFunc(e.Logs, func(l failure.Log) bool { return l.URI == uri }) {
				continue // the failure came with it
			}
			path, _, _ := strings.Cut(uri, "?")
			all = append(all, ref{uri: uri, log: -1, name: t.Source, pattern: strings.Contains(path, "*")})
		}
	}
	return all
}

// idLabels are the labels that name an application.
var idLabels = []string{"application_id", "spark_application_id", "spark.app.id", "spark-app-selector", "yarn_application_id"}

// applications returns the ids of the applications that a failure is about: the
// one that a label names, else those that a log's URL or its text name first.
func applications(e failure.Evidence, labels map[string]string) []string {
	var ids []string
	add := func(id string) {
		if id != "" && len(ids) < maxApplications && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, key := range idLabels {
		if id := labels[key]; applicationID.FindString(id) == id {
			add(id)
		}
	}
	if len(ids) > 0 {
		return ids
	}
	for _, l := range e.Logs {
		if u, err := url.Parse(l.URI); err == nil {
			add(applicationIn(u.Path))
		}
	}
	for _, l := range e.Logs {
		add(applicationIn(l.Head))
		add(applicationIn(l.Tail))
	}
	return ids
}

// applicationID has the forms of ids: of YARN, of Spark on Kubernetes and of
// Spark's own cluster manager.
var applicationID = regexp.MustCompile(`\b(?:application_\d{10,14}_\d{4,10}|spark-[0-9a-f]{32}|app-\d{14}-\d{4,6})\b`)

// applicationIn returns the first id in a text.
func applicationIn(text string) string {
	for _, begin := range []string{"application_", "spark-", "app-"} {
		if strings.Contains(text, begin) {
			return applicationID.FindString(text)
		}
	}
	return ""
}
