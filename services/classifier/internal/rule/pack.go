package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// MaxPack bounds the bytes of one rule pack.
const MaxPack = 1 << 20

// Pack is a file of rules, as docs/rules.md describes it.
type Pack struct {
	Name  string
	Rules []*Compiled
}

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
	Summary    string          `yaml:"summary"`
	Runbook    string          `yaml:"runbook"`
	RetryAfter string          `yaml:"retry_after"`
	Remedy     []packOperation `yaml:"remedy"`
	Owner      string          `yaml:"owner"`
	Mode       string          `yaml:"mode"`
	Sample     string          `yaml:"sample"`
	NearMiss   []string        `yaml:"near_miss"`
	YieldsTo   []string        `yaml:"yields_to"`
}

type packFacts struct {
	ExitCodes          []int    `yaml:"exit_codes"`
	Signals            []int    `yaml:"signals"`
	TerminationReasons []string `yaml:"termination_reasons"`
	Engines            []string `yaml:"engines"`
	PeakPercent        int      `yaml:"peak_percent"`
}

type packOperation struct {
	Op    string `yaml:"op"`
	Path  string `yaml:"path"`
	Value any    `yaml:"value"`
}

var packName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// LoadPacks reads every *.yaml file at the top of fsys. All errors of all packs
// are returned at once; they are errs.Invalid and name pack, rule and field.
func LoadPacks(fsys fs.FS) ([]Pack, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list rule packs: %w", err)
	}
	slices.Sort(names)
	var packs []Pack
	var all []error
	owners := map[string]string{}
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read rule pack: %w", err)
		}
		p, err := ParsePack(name, data)
		if err != nil {
			all = append(all, err)
			continue
		}
		for _, c := range p.Rules {
			if other := owners[c.Rule.ID]; other != "" {
				all = append(all, errs.Field(name+": "+c.Rule.ID+".id", "is taken by a rule of the pack %s", other))
			}
			owners[c.Rule.ID] = p.Name
		}
		packs = append(packs, p)
	}
	return packs, errs.Fields(all...)
}

// goType is how yaml names what it decodes into, which says nothing to a person.
var goType = regexp.MustCompile(` in type \S+`)

// ParsePack reads one pack; name is its file's. Keys that are not known are
// errors, and so is a pack that is not named like its file.
func ParsePack(name string, data []byte) (Pack, error) {
	if len(data) > MaxPack {
		return Pack{}, errs.Field(name, "has %d bytes, at most %d are allowed", len(data), MaxPack)
	}
	var f packFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		return Pack{}, errs.Field(name, "is no rule pack: %s", goType.ReplaceAllString(err.Error(), ""))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Pack{}, errs.Field(name, "must hold one YAML document")
	}
	all := []error{checkPack(name, f)}
	p := Pack{Name: f.Pack}
	seen := map[string]bool{}
	for i, r := range f.Rules {
		field := fmt.Sprintf("%s: rules[%d]", name, i)
		if idPattern.MatchString(r.ID) {
			field = name + ": " + r.ID
		}
		if seen[r.ID] {
			all = append(all, errs.Field(field+".id", "is in the pack twice"))
		}
		seen[r.ID] = true
		c, err := r.compile(field, f.Pack)
		all = append(all, err)
		p.Rules = append(p.Rules, c)
	}
	if err := errs.Fields(all...); err != nil {
		return Pack{}, err
	}
	return p, nil
}

func checkPack(name string, f packFile) error {
	var noun, count error
	if stem := strings.TrimSuffix(path.Base(name), path.Ext(name)); f.Pack != stem || !packName.MatchString(f.Pack) {
		noun = errs.Field(name+": pack", "is %q, must be the file's name %q, of [a-z0-9-]", f.Pack, stem)
	}
	if n := len(f.Rules); n < 1 || n > MaxRules {
		count = errs.Field(name+": rules", "must have 1 to %d rules, has %d", MaxRules, n)
	}
	return errs.Fields(noun, count)
}

func (p packRule) compile(field, pack string) (*Compiled, error) {
	r, err := p.rule(field)
	if err != nil {
		return nil, err
	}
	r.Pack = pack
	return Compile(field, r)
}

func (p packRule) rule(field string) (Rule, error) {
	r := Rule{
		ID: p.ID, Sources: p.Sources, Any: p.Any, All: p.All, None: p.None, Class: failure.Class(p.Class),
		Facts:   Facts{ExitCodes: p.Facts.ExitCodes, Signals: p.Facts.Signals, Engines: p.Facts.Engines, PeakPercent: p.Facts.PeakPercent},
		Summary: p.Summary, Runbook: p.Runbook, Owner: p.Owner, Mode: Enforce,
		Sample: p.Sample, NearMisses: p.NearMiss, YieldsTo: p.YieldsTo, Revision: 1, BuiltIn: true,
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
		o := Operation{Op: op.Op, Path: op.Path}
		if op.Value != nil {
			value, err := json.Marshal(op.Value)
			if err != nil {
				all = append(all, errs.Field(fmt.Sprintf("%s.remedy[%d].value", field, i), "is not JSON: %w", err))
			}
			o.Value = value
		}
		r.Remedy = append(r.Remedy, o)
	}
	if len(p.Any)+len(p.All) > 0 && p.Sample == "" {
		all = append(all, errs.Field(field+".sample", "is required of a rule with patterns: a log that it matches"))
	}
	if p.Runbook == "" {
		all = append(all, errs.Field(field+".runbook", "is required: what a human should do"))
	}
	return r, errs.Fields(all...)
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
