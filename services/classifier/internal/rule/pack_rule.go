package rule

import (
	"encoding/json"
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// packFile is a pack as it is written in YAML.
type packFile struct {
	Pack  string     `yaml:"pack"`
	Rules []packRule `yaml:"rules"`
}

type packRule struct {
	ID         string          `yaml:"id"`
	Order      *int            `yaml:"order"`
	Sources    []string        `yaml:"sources"`
	Any        []string        `yaml:"any"`
	All        []string        `yaml:"all"`
	None       []string        `yaml:"none"`
	Facts      packFacts       `yaml:"facts"`
	Class      string          `yaml:"class"`
	Verdict    string          `yaml:"verdict"`
	YieldsTo   []string        `yaml:"yields_to"`
	Summary    string          `yaml:"summary"`
	Runbook    string          `yaml:"runbook"`
	RetryAfter string          `yaml:"retry_after"`
	Remedy     []packOperation `yaml:"remedy"`
	Owner      string          `yaml:"owner"`
	Mode       string          `yaml:"mode"`
	Sample     string          `yaml:"sample"`
	NearMiss   []string        `yaml:"near_miss"`
}

type packFacts struct {
	ExitCodes          []int    `yaml:"exit_codes"`
	Signals            []int    `yaml:"signals"`
	TerminationReasons []string `yaml:"termination_reasons"`
	Engines            []string `yaml:"engines"`
	PeakPercent        int      `yaml:"peak_percent"`
}

type packOperation struct {
	Op    string    `yaml:"op"`
	Path  string    `yaml:"path"`
	Value yaml.Node `yaml:"value"` // null is one
}

// rule returns the rule that is written in p; what is left out is not set. A
// rule without a mode is enforced.
func (p packRule) rule(field string) (Rule, error) {
	r := Rule{
		ID: p.ID, Sources: p.Sources, Any: p.Any, All: p.All, None: p.None, Class: failure.Class(p.Class),
		Facts:    Facts{ExitCodes: p.Facts.ExitCodes, Signals: p.Facts.Signals, Engines: p.Facts.Engines, PeakPercent: p.Facts.PeakPercent},
		YieldsTo: p.YieldsTo, Summary: p.Summary, Runbook: p.Runbook, Owner: p.Owner, Mode: Enforce, Sample: p.Sample, NearMisses: p.NearMiss,
	}
	var all []error
	if p.Order == nil {
		all = append(all, errs.Field(field+".order", "is required"))
	} else {
		r.Order = *p.Order
	}
	if p.Verdict != "" {
		var ok bool
		if r.Verdict, ok = failure.ParseVerdict(p.Verdict); !ok {
			all = append(all, errs.Field(field+".verdict", "%q is not RETRY, RETRY_SLOWLY, RETRY_WITH_CONFIG, DO_NOT_RETRY or UNKNOWN", p.Verdict))
		}
	}
	if p.Mode != "" {
		if r.Mode = parseMode(p.Mode); r.Mode == ModeNone {
			all = append(all, errs.Field(field+".mode", "%q is not off, shadow or enforce", p.Mode))
		}
	}
	if p.RetryAfter != "" {
		var err error
		if r.RetryAfter, err = time.ParseDuration(p.RetryAfter); err != nil {
			all = append(all, errs.Field(field+".retry_after", "%q is no duration, such as 60s", p.RetryAfter))
		}
	}
	for i, name := range p.Facts.TerminationReasons {
		reason := parseReason(name)
		if reason == failure.ReasonNone {
			all = append(all, errs.Field(fmt.Sprintf("%s.facts.termination_reasons[%d]", field, i), "%q is no termination reason, such as OUT_OF_MEMORY", name))
		}
		r.Facts.Reasons = append(r.Facts.Reasons, reason)
	}
	for i, op := range p.Remedy {
		o, err := op.operation(fmt.Sprintf("%s.remedy[%d]", field, i))
		all = append(all, err)
		r.Remedy = append(r.Remedy, o)
	}
	return r, errs.Fields(all...)
}

func (p packOperation) operation(field string) (Operation, error) {
	o := Operation{Op: p.Op, Path: p.Path}
	if p.Value.IsZero() {
		return o, nil
	}
	var value any
	if err := p.Value.Decode(&value); err != nil {
		return o, errs.Field(field+".value", "cannot be read: %w", err)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return o, errs.Field(field+".value", "is not JSON: %w", err)
	}
	o.Value = plainJSON(raw)
	return o, nil
}

// checkWhole wants of a rule that comes with Redrive what one of a user may lack.
func (p packRule) checkWhole(field string) error {
	var sample, runbook error
	if len(p.Any)+len(p.All) > 0 && p.Sample == "" {
		sample = errs.Field(field+".sample", "is required of a rule with patterns: a log that it matches")
	}
	if p.Runbook == "" {
		runbook = errs.Field(field+".runbook", "is required: what a human should do")
	}
	return errs.Fields(sample, runbook)
}

func parseMode(s string) Mode {
	for m := Off; m <= Enforce; m++ {
		if m.String() == s {
			return m
		}
	}
	return ModeNone
}

func parseReason(s string) failure.Reason {
	for r := failure.Exited; r <= failure.Lost; r++ {
		if r.String() == s {
			return r
		}
	}
	return failure.ReasonNone
}
