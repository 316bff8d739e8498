package rightsize

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
)

// Found is a patch of right-sizing that applies and that nobody watches: what was
// kept of its type was lost. The zero Found is none.
type Found struct {
	Patch  string // "patches/{patch}"
	MadeOn string
	// Operations are those of the patch, Below those of what applies again when it
	// is revoked.
	Operations, Below []engine.Operation
	Saving            Saving
	Approved          time.Time
}

// Found returns z watching a patch that was found, and blaming the first failure
// in h on it that it caused before it was, by runs of the configuration that is
// sized: a history does not say which they had. A bad value in a configuration is
// errs.Invalid.
func (z Sizing) Found(f Found, h history.History, now time.Time) (Sizing, error) {
	profile, err := engine.Lookup(z.Type.Engine)
	if err != nil {
		return z, err
	}
	without, err := Memory(profile, changed(z.Config, f.Below))
	if err != nil {
		return z, err
	}
	given, err := Memory(profile, changed(z.Config, f.Operations))
	if err != nil {
		return z, err
	}
	step := &Step{
		Patch: f.Patch, Before: f.Saving.Before, After: f.Saving.After, Saving: f.Saving, Without: without, Lowered: map[engine.Part]int64{},
		Operations: f.Operations, MadeOn: f.MadeOn,
	}
	for _, part := range sizable[z.Type.Engine] {
		if given[part] == step.After && (step.Part == engine.NoPart || given[part] != without[part]) {
			step.Part = part
		}
	}
	for part, bytes := range given {
		if bytes < without[part] {
			step.Lowered[part] = bytes
		}
	}
	z.Working, z.Patch, z.Active = step, f.Patch, f.Patch
	z = z.rest(Applied, "a patch of right-sizing applies, and is watched again").began(now)
	for _, a := range h.Attempts {
		o := Outcome{Failure: "failures/" + a.ID, Config: z.Config, Own: without, Ran: a.Sizes, Lacked: a.Lacked(profile), Peak: a.Peaks[a.Lacked(profile)]}
		if z.Blame == nil && a.End.After(f.Approved) && step.Caused(o) {
			z.Blame = &Blame{Failure: o.Failure, Part: o.Lacked, Bytes: max(o.Ran[o.Lacked], o.Peak)}
		}
	}
	return z, nil
}

// changed returns a configuration with the members that operations change.
func changed(config map[string]any, ops []engine.Operation) map[string]any {
	to := map[string]any{} // not a clone, which of none is nil
	maps.Copy(to, config)
	for _, o := range ops {
		member := engine.Unescape(strings.TrimPrefix(o.Path, "/"))
		switch {
		case o.Op == "remove":
			delete(to, member)
		case slices.Contains([]string{"add", "replace"}, o.Op):
			to[member] = o.Value
		}
	}
	return to
}
