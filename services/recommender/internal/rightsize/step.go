package rightsize

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/redrive-io/redrive/pkg/engine"
)

// Step is a change of one part, as a patch of all jobs of the type.
type Step struct {
	Patch         string // "patches/{patch}"
	Part          engine.Part
	Before, After int64 // bytes: what runs had, and what they have with it
	// Without are bytes of each part: what runs would have if nothing had been
	// right-sized, by their own configuration and by what else was approved for
	// them, such as a promoted patch. Lowered are the parts that have less with the
	// patch, and what they have then: a run that lacks one of these failed for it.
	Without, Lowered map[engine.Part]int64
	// Operations are those of the patch: their guards say for which jobs it is.
	Operations []engine.Operation
	MadeOn     string // the patch that applied before; empty for none
	Saving     Saving
	Reason     string // of the proposal; it is kept with the patch
}

// Caused reports whether a step caused how a run ended, or would have: the patch
// is for its configuration, and it lacked a part of which it had what the patch
// gives, or what a step before it gave, while it would have had more without.
func (s *Step) Caused(o Outcome) bool {
	if s == nil || o.Lacked == engine.NoPart || !s.fits(o.Config) {
		return false
	}
	given, lowered := s.Lowered[o.Lacked]
	return lowered && o.Ran[o.Lacked] >= given && s.without(o.Lacked, o.Own[o.Lacked]) > o.Ran[o.Lacked]
}

// without returns what runs would have of a part if nothing had been right-sized:
// that is their own amount where the step does not say.
func (s *Step) without(part engine.Part, own int64) int64 {
	if s == nil || s.Without[part] == 0 {
		return own
	}
	return s.Without[part]
}

// guards returns the members of a configuration that the patch was made for, as
// they are in config and as they must be; nil is what is absent.
func (s *Step) guards(config map[string]any) (are, must map[string]any) {
	are, must = map[string]any{}, map[string]any{}
	for _, o := range s.Operations {
		member := engine.Unescape(strings.TrimPrefix(o.Path, "/"))
		switch o.Op {
		case "test":
			are[member], must[member] = config[member], o.Value
		case "add":
			are[member], must[member] = config[member], nil
		}
	}
	return are, must
}

// fits reports whether the patch of a step is for jobs with a configuration.
func (s *Step) fits(config map[string]any) bool {
	are, must := s.guards(config)
	return reflect.DeepEqual(are, must)
}

// kindOf names what a configuration has in the members that the patch was made
// for, in as many bytes whatever they are.
func (s *Step) kindOf(config map[string]any) string {
	are, _ := s.guards(config)
	text, err := json.Marshal(are)
	if err != nil {
		return "" // no JSON: it cannot come from a job
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
