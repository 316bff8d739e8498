package policy

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

// Bounds of a policy file.
const (
	maxFile      = 1 << 20
	maxSecret    = 64 << 10
	maxReceivers = 64
	maxRoutes    = 256
	maxRules     = 256
	maxMatchers  = 16
	maxInARow    = 10_000
)

// Lookup reads what a policy file refers to.
type Lookup struct {
	// File reads a file of at most 64 KiB.
	File func(path string) ([]byte, error)
	// Env reads an environment variable.
	Env func(name string) (value string, ok bool)
}

// Load reads the policy file at path and everything that it refers to; an empty
// path is the Default. Whatever is wrong is errs.Invalid and names line and key.
func Load(path string) (Policy, error) {
	if path == "" {
		return Default(), nil
	}
	data, err := readFile(path, maxFile)
	if err != nil {
		return Policy{}, errs.New(errs.Invalid, "notification policy: %w", err)
	}
	dir := filepath.Dir(path)
	return Parse(data, path, Lookup{
		Env: os.LookupEnv,
		File: func(name string) ([]byte, error) {
			if !filepath.IsAbs(name) {
				name = filepath.Join(dir, name)
			}
			return readFile(name, maxSecret)
		},
	})
}

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read: %w", err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, nil
}

// Parse reads a policy. file is its name in errors.
func Parse(data []byte, file string, lookup Lookup) (Policy, error) {
	d := &decoder{file: file, lookup: lookup}
	p := Default()
	if top, ok := d.root(data); ok {
		d.policy(top, &p)
	}
	if err := errs.Fields(d.errs...); err != nil {
		return Policy{}, err
	}
	return p, nil
}

func (d *decoder) policy(top node, p *Policy) {
	m := d.mapping(top, "receivers", "routes", "thresholds", "rules")
	if n, ok := m["receivers"]; ok {
		for _, x := range d.list(n, maxReceivers) {
			r := d.receiver(x)
			if slices.ContainsFunc(p.Receivers, func(y Receiver) bool { return y.Name == r.Name && r.Name != "" }) {
				d.fail(x, "there are two receivers called %s", quote(r.Name))
			}
			p.Receivers = append(p.Receivers, r)
		}
	}
	if n, ok := m["thresholds"]; ok {
		p.Thresholds = d.thresholds(d.mapping(n, thresholdKeys...), p.Thresholds)
	}
	if n, ok := m["rules"]; ok {
		for _, x := range d.list(n, maxRules) {
			p.Rules = append(p.Rules, d.rule(x, p.Thresholds))
		}
	}
	if n, ok := m["routes"]; ok {
		for _, x := range d.list(n, maxRoutes) {
			p.Routes = append(p.Routes, d.route(x, p.Receivers))
		}
	} else if len(p.Receivers) > 0 {
		p.Routes = []Route{everyone(p.Receivers)}
	}
}

// everyone is the route of a policy without routes.
func everyone(receivers []Receiver) Route {
	r := Route{Severities: []alert.Severity{alert.Warning, alert.Page}}
	for _, x := range receivers {
		r.Receivers = append(r.Receivers, x.Name)
	}
	return r
}

var thresholdKeys = []string{"first", "before_cap", "permanent", "page_in_a_row"}

func (d *decoder) thresholds(m map[string]node, t Thresholds) Thresholds {
	severities := []alert.Severity{alert.None, alert.Info, alert.Warning, alert.Page}
	for i, to := range []*alert.Severity{&t.First, &t.BeforeCap, &t.Permanent} {
		if n, ok := m[thresholdKeys[i]]; ok {
			*to = d.severity(n, severities)
		}
	}
	if n, ok := m["page_in_a_row"]; ok {
		t.PageInARow = d.number(n, 0, maxInARow)
	}
	return t
}

func (d *decoder) severity(n node, allowed []alert.Severity) alert.Severity {
	s, ok := alert.ParseSeverity(n.Value)
	if !ok || !slices.Contains(allowed, s) {
		d.fail(n, "%s is no severity; use one of %s", quote(n.Value), join(allowed))
	}
	return s
}

func join(all []alert.Severity) string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.String()
	}
	return strings.Join(names, ", ")
}

func (d *decoder) rule(n node, t Thresholds) Rule {
	m := d.mapping(n, append([]string{"match"}, thresholdKeys...)...)
	r := Rule{Thresholds: d.thresholds(m, t)}
	if match, ok := m["match"]; ok {
		r.Match = d.match(match, ruleLabels)
	} else if m != nil {
		d.fail(n, "needs a match; thresholds for all failures belong to thresholds")
	}
	return r
}

func (d *decoder) route(n node, receivers []Receiver) Route {
	m := d.mapping(n, "severities", "match", "receivers", "continue")
	all := []alert.Severity{alert.Info, alert.Warning, alert.Page}
	var r Route
	if x, ok := m["severities"]; ok {
		for _, s := range d.list(x, len(all)) {
			r.Severities = append(r.Severities, d.severity(s, all))
		}
	}
	if len(r.Severities) == 0 && m != nil {
		d.fail(n, "needs severities, a list of %s", join(all))
	}
	if x, ok := m["match"]; ok {
		r.Match = d.match(x, routeLabels)
	}
	if x, ok := m["continue"]; ok {
		r.Continue = d.boolean(x)
	}
	x, ok := m["receivers"]
	if !ok {
		if m != nil {
			d.fail(n, "needs receivers, a list of names; an empty list tells nobody")
		}
		return r
	}
	for _, y := range d.list(x, maxReceivers) {
		name := d.text(y)
		if !slices.ContainsFunc(receivers, func(z Receiver) bool { return z.Name == name }) {
			d.fail(y, "there is no receiver called %s", quote(name))
		}
		r.Receivers = append(r.Receivers, name)
	}
	return r
}

func (d *decoder) match(n node, labels []string) Match {
	var all Match
	for _, x := range d.list(n, maxMatchers) {
		m, wrong := parseMatcher(d.text(x), labels)
		if wrong != "" {
			d.fail(x, "%s", wrong)
			continue
		}
		all = append(all, m)
	}
	return all
}
