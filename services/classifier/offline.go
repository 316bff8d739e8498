package classifier

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Offline classifies texts without a server, by the rules in files. It takes
// the same way as the service: the same cleaning, rules and decision.
type Offline struct {
	rules []*rule.Compiled
	set   *rule.Set
}

// Result is what Offline says of one text.
type Result struct {
	ID      string `json:"id"`
	Class   string `json:"class"`   // "unknown" when no rule matches
	Rule    string `json:"rule"`    // the winning rule's id, or empty
	Verdict string `json:"verdict"` // such as RETRY_SLOWLY
	Summary string `json:"summary"`
}

// NewOffline returns an Offline with the built-in rules.
func NewOffline() (*Offline, error) {
	set, err := builtIn()
	if err != nil {
		return nil, err
	}
	return &Offline{rules: set.Rules(), set: set}, nil
}

// LoadPacks adds rule packs: files, or folders with *.yaml files. A rule with
// the id of a known one takes its place. The first error ends it; what is wrong
// in a pack is errs.Invalid. It must not be called together with Classify.
func (o *Offline) LoadPacks(paths ...string) error {
	for _, path := range paths {
		packs, err := loadPath(path)
		if err != nil {
			return err
		}
		if err := o.add(packs...); err != nil {
			return err
		}
	}
	return nil
}

func loadPath(path string) ([]rule.Pack, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("load rules: %w", err)
	}
	if info.IsDir() {
		packs, err := rule.LoadPacks(os.DirFS(path))
		if err == nil && len(packs) == 0 {
			err = errs.New(errs.Invalid, "load rules: %s has no *.yaml files", path)
		}
		return packs, err
	}
	if info.Size() > rule.MaxPack {
		return nil, errs.New(errs.Invalid, "load rules: %s has %d bytes, at most %d are allowed", path, info.Size(), rule.MaxPack)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load rules: %w", err)
	}
	p, err := rule.ParsePack(filepath.Base(path), data)
	return []rule.Pack{p}, err
}

func (o *Offline) add(packs ...rule.Pack) error {
	at := map[string]int{}
	all := append([]*rule.Compiled(nil), o.rules...)
	for i, c := range all {
		at[c.Rule.ID] = i
	}
	for _, p := range packs {
		for _, c := range p.Rules {
			if i, ok := at[c.Rule.ID]; ok {
				all[i] = c
				continue
			}
			at[c.Rule.ID] = len(all)
			all = append(all, c)
		}
	}
	set, err := rule.NewSet(all...)
	if err != nil {
		return err
	}
	if err := checkYields(set, all); err != nil {
		return err
	}
	o.rules, o.set = all, set
	return nil
}

func checkYields(set *rule.Set, rules []*rule.Compiled) error {
	for _, c := range rules {
		if err := set.CheckYields("rules/"+c.Rule.ID, &c.Rule); err != nil {
			return err
		}
	}
	return nil
}

// Classify says what a text is. The id is for the caller: it comes back as it
// is. Of a text longer than 256 KiB the beginning and the end are looked at.
// It may be called concurrently.
func (o *Offline) Classify(id, text string) Result {
	in := rule.NewInput(collect.Text(text), "")
	r := finalize.Finalize(o.set.Match(in), in)
	return Result{ID: id, Class: string(r.Class), Rule: r.Rule, Verdict: r.Verdict.String(), Summary: r.Summary}
}
