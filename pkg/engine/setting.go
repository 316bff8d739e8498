package engine

import (
	"maps"
	"slices"
)

// Setting is what one configuration gives to the part that a class of failures
// is about, and how to give it more. Get one from Profile.Setting.
type Setting struct {
	Part Part // NoPart when no key of the engine bears on the class
	Size
	profile Profile
	config  map[string]any
	values  values
}

// Setting returns what config gives to the part that c is about. A class
// that is not about memory counts as a kill at the limit of the tree or
// container. Where config sets no limit but one of limit bytes was in force,
// that is the size; 0 is none. A bad value is errs.Invalid.
func (p Profile) Setting(config map[string]any, c Cause, limit int64) (Setting, error) {
	v, err := p.parse(config)
	if err != nil {
		return Setting{}, err
	}
	part := p.PartOf(c, func(part Part) bool { return p.shape.size(&v, part).Memory > 0 })
	s := Setting{Part: part, profile: p, config: config, values: v}
	if s.Part != NoPart {
		s.Size = p.shape.size(&v, s.Part)
	}
	if s.Part == Tree && s.Memory == 0 {
		s.Memory = InForce(limit)
	}
	return s, nil
}

// InForce returns a limit of memory that somebody read somewhere, in bytes; 0,
// for none, where it is more than any amount may be: that is how cgroups say
// that nothing is limited (2^63 less a page).
func InForce(limit int64) int64 {
	if limit > maxMemory {
		return 0
	}
	return max(limit, 0)
}

// PartSetting returns what config gives to one part, which must be one of Sizes:
// of others nothing can be changed. A bad value is errs.Invalid.
func (p Profile) PartSetting(config map[string]any, part Part) (Setting, error) {
	v, err := p.parse(config)
	if err != nil {
		return Setting{}, err
	}
	s := Setting{profile: p, config: config, values: v}
	if slices.Contains(p.shape.parts(&v), part) {
		s.Part, s.Size = part, p.shape.size(&v, part)
	}
	return s, nil
}

// Total returns the bytes that are paid for when the part has the size to: the
// whole process tree or container.
func (s *Setting) Total(to Size) int64 {
	if s.Part == NoPart {
		return 0
	}
	return s.total(to, new(values))
}

// total is Total in the room of scratch, of which nothing is kept.
func (s *Setting) total(to Size, scratch *values) int64 {
	if to == s.Size {
		return max(s.profile.shape.total(&s.values, s.Part), s.Memory)
	}
	*scratch = s.values
	s.profile.shape.write(scratch, s.Part, to)
	return s.profile.shape.total(scratch, s.Part)
}

// Apply returns a copy of the configuration in which the part has the size to.
// Members that need no change keep their value as it is written.
func (s Setting) Apply(to Size) map[string]any {
	changed := maps.Clone(s.config)
	if changed == nil {
		changed = map[string]any{}
	}
	if to == s.Size || s.Part == NoPart {
		return changed
	}
	w := s.values
	s.profile.shape.write(&w, s.Part, to)
	for _, k := range s.profile.keys {
		m := k.member
		if w.isSet[m] && (!s.values.isSet[m] || s.values.of(m) != w.of(m)) {
			changed[k.name] = k.format(w.of(m), s.config[k.name])
		}
	}
	return changed
}
