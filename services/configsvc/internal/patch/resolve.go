package patch

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
)

// MaxConfig bounds the original configuration, in bytes as JSON.
const MaxConfig = 64 << 10

// maxSentence bounds Skip.Reason.
const maxSentence = 500

// Target is the job that a configuration is for.
type Target struct {
	Job  string // "jobs/{job}"; empty for any job of the type
	Type failure.Type
}

// Resolution is the configuration to run with and how it came about.
type Resolution struct {
	Config  map[string]any
	Applied []string // names, the most specific first
	Skipped []Skip
}

// Skip is a patch in scope that was not applied, and why, on one line.
type Skip struct{ Patch, Reason string }

// Resolve applies the patches that are in scope of t to its original
// configuration. Patches out of scope are ignored, whatever the caller passes.
//
// The order is total: a job's own patches first, then those of its type; of
// those the newer first; then by id. Each patch applies whole or not at all. Its
// guards are checked on the original configuration. One that changes a path that
// a patch before it has changed is skipped, so the most specific one wins. The
// allow-list and the ceilings are checked again, because they may have changed
// since the patch was stored. A patch never makes a configuration that the
// engine refuses.
//
// The error is errs.Invalid about "config", when that is not JSON or too large.
func Resolve(patches []Patch, t Target, original map[string]any, c Ceilings, now time.Time) (Resolution, error) {
	original, err := canonical(original)
	if err != nil {
		return Resolution{}, err
	}
	r := resolver{target: t, original: original, ceilings: c, current: original, by: map[string]string{}}
	res := Resolution{}
	for _, p := range inOrder(patches, t) {
		if err := r.apply(p.At(now)); err != nil {
			res.Skipped = append(res.Skipped, Skip{p.Name(), sentence(err)})
			continue
		}
		res.Applied = append(res.Applied, p.Name())
	}
	res.Config = r.current
	return res, nil
}

// sentence is the text of an error on one line of at most maxSentence bytes.
func sentence(err error) string {
	s := strings.ReplaceAll(err.Error(), "\n", "; ")
	if len(s) > maxSentence {
		s = strings.ToValidUTF8(s[:maxSentence], "") + "…"
	}
	return s
}

// inOrder returns the patches in scope of t, each once, in the order in which
// they are tried.
func inOrder(patches []Patch, t Target) []Patch {
	patches = slices.DeleteFunc(slices.Clone(patches), func(p Patch) bool {
		if p.Scope.OfJob() {
			return p.Scope.Job != t.Job
		}
		return p.Scope.Type != t.Type
	})
	rank := func(p Patch) int {
		if p.Scope.OfJob() {
			return 0
		}
		return 1
	}
	slices.SortFunc(patches, func(a, b Patch) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID))
	})
	return slices.CompactFunc(patches, func(a, b Patch) bool { return a.ID == b.ID })
}

// resolver holds what the patches so far have made.
type resolver struct {
	target            Target
	ceilings          Ceilings
	original, current map[string]any
	by                map[string]string // path → the patch that changed it
}

// apply applies p to the current configuration, or says why not.
func (r *resolver) apply(p Patch) error {
	switch {
	case p.State == Expired:
		return fmt.Errorf("it expired at %s", p.Expires.UTC().Format(time.RFC3339))
	case p.State != Active:
		return fmt.Errorf("it is %s", p.State)
	case p.Type != r.target.Type:
		return fmt.Errorf("it was made for type %s/%s on engine %s", p.Type.Workflow, p.Type.Step, p.Type.Engine)
	}
	profile, err := engine.Lookup(p.Type.Engine)
	if err != nil {
		return err
	}
	// Rules for what may be stored may have become stricter since it was.
	if err := ValidateOperations("operations", p.Operations, profile, r.ceilings); err != nil {
		return err
	}
	var changes []Operation
	for _, o := range p.Operations {
		if err := r.guard(o, profile); err != nil {
			return err
		}
		if o.Op == opTest {
			continue
		}
		if winner, ok := r.by[o.Path]; ok {
			return fmt.Errorf("%s is overridden by %s", o.Path, winner)
		}
		changes = append(changes, o)
	}
	changed, err := change(r.current, changes)
	if err != nil {
		return err
	}
	if err := profile.Validate(changed); err != nil {
		return fmt.Errorf("the configuration would be wrong: %w", err)
	}
	r.current = changed
	for _, o := range changes {
		r.by[o.Path] = p.Name()
	}
	return nil
}

// guard says why an operation does not fit the original configuration.
func (r *resolver) guard(o Operation, profile engine.Profile) error {
	value, there := lookup(r.original, o.Path)
	switch {
	case o.Op == opAdd && there:
		return fmt.Errorf("%s is set already, the patch was made for a configuration without it", o.Path)
	case o.Op != opAdd && !there:
		return fmt.Errorf("%s is not set, the patch was made for a configuration that has it", o.Path)
	case o.Op != opTest:
		return nil
	}
	want, err := canonicalValue(o.Value)
	if err != nil {
		return err
	}
	if reflect.DeepEqual(value, want) {
		return nil
	}
	// Other members may be secrets.
	if _, shown := profile.Allowed(o.Path); shown {
		return fmt.Errorf("%s is %.40s, the patch was made for %.40s", o.Path, text(value), text(want))
	}
	return fmt.Errorf("%s has another value than the patch was made for", o.Path)
}

// change returns a copy of config with the operations applied. They must be of
// members of the document: ValidateOperations allows no other changes.
func change(config map[string]any, ops []Operation) (map[string]any, error) {
	changed := maps.Clone(config)
	for _, o := range ops {
		token, ok := strings.CutPrefix(o.Path, "/")
		if !ok || strings.Contains(token, "/") {
			return nil, fmt.Errorf("%s is no member of the configuration", o.Path)
		}
		name := engine.Unescape(token)
		if _, there := changed[name]; !there && o.Op != opAdd {
			return nil, fmt.Errorf("%s is not set", o.Path)
		}
		if o.Op == opRemove {
			delete(changed, name)
			continue
		}
		value, err := canonicalValue(o.Value)
		if err != nil {
			return nil, fmt.Errorf("encode the value of %s: %w", o.Path, err)
		}
		changed[name] = value
	}
	return changed, nil
}

func text(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(encoded)
}
