package policy

import (
	"bytes"
	"errors"
	"io"
	"math"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// Class is what a class of failures means for retries: its default, or what an
// operator's file says.
type Class struct {
	Retries    int
	BaseDelay  time.Duration
	Factor     float64
	AlertAfter int
}

// Table says what each class means.
type Table struct {
	classes map[failure.Class]Class
}

// Defaults returns the table of pkg/failure.
func Defaults() Table {
	t := Table{map[failure.Class]Class{}}
	for _, c := range failure.Classes() {
		m, _ := failure.MeaningOf(c)
		t.classes[c] = Class{m.Retries, m.BaseDelay, m.Factor, m.AlertAfter}
	}
	return t
}

// Of returns what class c means under verdict v. A rule may give a class that
// is not retried a verdict that is: then the budget is that of unknown failures.
func (t Table) Of(c failure.Class, v failure.Verdict) Class {
	class, ok := t.classes[c]
	if !ok {
		return t.classes[failure.Unknown]
	}
	m, _ := failure.MeaningOf(c)
	if m.Verdict == failure.DoNotRetry && v != failure.DoNotRetry && class.Retries == 0 {
		alert := class.AlertAfter
		class = t.classes[failure.Unknown]
		class.AlertAfter = alert
	}
	return class
}

// fileClass is one entry of an operator's file; what is absent keeps its default.
type fileClass struct {
	Retries    *int           `yaml:"retries"`
	BaseDelay  *time.Duration `yaml:"base_delay"`
	Factor     *float64       `yaml:"factor"`
	AlertAfter *int           `yaml:"alert_after"`
}

var goType = regexp.MustCompile(` (in|into) (type )?[a-z]*\.?(fileClass|struct \{.*\})`)

// Load reads an operator's file: a YAML map "classes" from a class, or "*" for
// all, to retries, base_delay, factor and alert_after. What it does not name
// keeps its default. Errors are errs.Invalid and name the class.
func Load(file []byte) (Table, error) {
	var doc struct {
		Classes map[string]fileClass `yaml:"classes"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(file))
	dec.KnownFields(true)
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		// The decoder names our Go types; an operator has no use for them.
		return Table{}, errs.New(errs.Invalid, "retry policy: %s", goType.ReplaceAllString(err.Error(), ""))
	}
	t := Defaults()
	if all, ok := doc.Classes["*"]; ok {
		for name, class := range t.classes {
			changed := all.over(class)
			if class.Retries == 0 { // a class that is not retried stays so
				changed.Retries = 0
			}
			if class.BaseDelay == 0 { // and so does one that is retried at once
				changed.BaseDelay = 0
			}
			t.classes[name] = changed
		}
	}
	for name, change := range doc.Classes {
		if err := change.validate("classes." + name); err != nil {
			return Table{}, err
		}
		if name == "*" {
			continue
		}
		class, ok := t.classes[failure.Class(name)]
		if !ok {
			return Table{}, errs.Field("classes."+name, "is not a class; docs/retries.md lists them")
		}
		t.classes[failure.Class(name)] = change.over(class)
	}
	return t, nil
}

func (f fileClass) over(c Class) Class {
	if f.Retries != nil {
		c.Retries = *f.Retries
	}
	if f.BaseDelay != nil {
		c.BaseDelay = *f.BaseDelay
	}
	if f.Factor != nil {
		c.Factor = *f.Factor
	}
	if f.AlertAfter != nil && c.AlertAfter != failure.NeverAlert {
		c.AlertAfter = *f.AlertAfter
	}
	return c
}

func (f fileClass) validate(field string) error {
	var retries, delay, factor, alert error
	if f.Retries != nil && (*f.Retries < 0 || *f.Retries > MaxRetries) {
		retries = errs.Field(field+".retries", "%d is not between 0 and %d", *f.Retries, MaxRetries)
	}
	if f.BaseDelay != nil && (*f.BaseDelay < 0 || *f.BaseDelay > 24*time.Hour) {
		delay = errs.Field(field+".base_delay", "%s is not between 0s and 24h", *f.BaseDelay)
	}
	if f.Factor != nil && (math.IsNaN(*f.Factor) || *f.Factor < 1 || *f.Factor > 10) {
		factor = errs.Field(field+".factor", "%g is not between 1 and 10", *f.Factor)
	}
	if f.AlertAfter != nil && (*f.AlertAfter < 0 || *f.AlertAfter > MaxRetries) {
		alert = errs.Field(field+".alert_after", "%d is not between 0 and %d", *f.AlertAfter, MaxRetries)
	}
	return errs.Fields(retries, delay, factor, alert)
}
