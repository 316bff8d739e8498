package rule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/errs"
)

// MaxPack bounds the bytes of one rule pack in a file, and MaxPacks those of all
// packs that are parsed together.
const (
	MaxPack  = 1 << 20
	MaxPacks = 3 << 20
)

// Pack is a named list of rules, as docs/rules.md describes it. Rules that are
// in no pack are one without a name.
type Pack struct {
	Name  string
	Rules []*Compiled
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
		packs = append(packs, p)
	}
	all = append(all, checkOwners(packs, func(p Pack) string { return p.Name + ".yaml" }))
	return packs, errs.Fields(all...)
}

// checkOwners wants each id in one pack alone; field names a pack in the error.
func checkOwners(packs []Pack, field func(Pack) string) error {
	var all []error
	owners := map[string]string{}
	for _, p := range packs {
		for _, c := range p.Rules {
			if other, taken := owners[c.Rule.ID]; taken {
				all = append(all, errs.Field(field(p)+": "+c.Rule.ID+".id", "is taken by a rule of the pack %q", other))
			}
			owners[c.Rule.ID] = p.Name
		}
	}
	return errs.Fields(all...)
}

// ParsePack reads one pack that is a file: name is the file's, and the pack must
// be named like it. Its rules are built in; each has a runbook and, with
// patterns, a sample. Keys that are not known are errors.
func ParsePack(name string, data []byte) (Pack, error) {
	if len(data) > MaxPack {
		return Pack{}, errs.Field(name, "has %d bytes, at most %d are allowed", len(data), MaxPack)
	}
	docs, err := documents(name, data)
	if err != nil {
		return Pack{}, err
	}
	if len(docs) != 1 {
		return Pack{}, errs.Field(name, "must hold one YAML document")
	}
	f, err := readFile(name, docs[0])
	if err != nil {
		return Pack{}, err
	}
	all := []error{f.checkRules(name)}
	if stem := strings.TrimSuffix(path.Base(name), path.Ext(name)); f.Pack != stem || !packName.MatchString(f.Pack) {
		all = append(all, errs.Field(name+": pack", "is %q, must be the file's name %q, of [a-z0-9-]", f.Pack, stem))
	}
	p, err := f.compile(name, func(field string, p packRule, r *Rule) error {
		r.Revision, r.BuiltIn = 1, true
		return p.checkWhole(field)
	})
	if err := errs.Fields(append(all, err)...); err != nil {
		return Pack{}, err
	}
	return p, nil
}

// ParsePacks reads packs for rules that are not built in, a YAML document each;
// field is the name of data in the request. A document without a name has rules
// that are in no pack. All that is wrong is returned at once; it is errs.Invalid
// and names rule and field.
func ParsePacks(field string, data []byte) ([]Pack, error) {
	if len(data) > MaxPacks {
		return nil, errs.Field(field, "has %d bytes, at most %d are allowed: apply fewer packs at a time", len(data), MaxPacks)
	}
	docs, err := documents(field, data)
	if err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, errs.Field(field, "is empty: give a pack of rules")
	}
	var packs []Pack
	var all []error
	for _, doc := range docs {
		f, err := readFile(field, doc)
		if err != nil {
			all = append(all, err)
			continue
		}
		if f.Pack != "" && !packName.MatchString(f.Pack) {
			all = append(all, errs.Field(field+": pack", "%q is not 1 to 63 of [a-z0-9-] that starts with a letter", cut(f.Pack, 80)))
		}
		p, err := f.compile(field, func(string, packRule, *Rule) error { return nil })
		all = append(all, f.checkRules(field), err)
		packs = append(packs, p)
	}
	if err := errs.Fields(all...); err != nil {
		return nil, err
	}
	return packs, checkOwners(packs, func(Pack) string { return field })
}

// documents splits YAML into its documents; empty ones are left out.
func documents(field string, data []byte) ([]*yaml.Node, error) {
	var all []*yaml.Node
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, errs.Field(field, "is no rule pack: %w", err)
		}
		if len(doc.Content) == 1 && doc.Content[0].Tag != "!!null" {
			all = append(all, doc.Content[0])
		}
	}
}

func (f packFile) checkRules(field string) error {
	if n := len(f.Rules); n < 1 || n > MaxRules {
		return errs.Field(field+": rules", "must have 1 to %d rules, has %d", MaxRules, n)
	}
	return nil
}

// compile readies the rules of a pack; check completes each and says what else
// is wrong with it.
func (f packFile) compile(name string, check func(field string, p packRule, r *Rule) error) (Pack, error) {
	var all []error
	p := Pack{Name: f.Pack}
	seen := map[string]bool{}
	for i, from := range f.Rules {
		field := ruleField(name, i, from.ID)
		if seen[from.ID] {
			all = append(all, errs.Field(field+".id", "is in the pack twice"))
		}
		seen[from.ID] = true
		r, err := from.rule(field)
		if err := errs.Fields(err, check(field, from, &r)); err != nil {
			all = append(all, err)
			continue
		}
		r.Pack = f.Pack
		c, err := Compile(field, r)
		all = append(all, err)
		p.Rules = append(p.Rules, c)
	}
	return p, errs.Fields(all...)
}

// ruleField names a rule in an error: by its id where it has one.
func ruleField(name string, i int, id string) string {
	if idPattern.MatchString(id) {
		return name + ": " + id
	}
	return fmt.Sprintf("%s: rules[%d]", name, i)
}
