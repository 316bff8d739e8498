package rightsize

import (
	"github.com/redrive-io/redrive/pkg/engine"
)

// Change returns the operations that give a part bytes to all jobs with a
// configuration, on top of what the patch that applies gives them (present), and
// the parts that then have less than by the configuration itself. Of parts that
// would shrink along, nothing is known: they keep what they have.
func Change(p engine.Profile, config, present map[string]any, part engine.Part, bytes int64) (ops []engine.Operation, lowered map[engine.Part]int64, err error) {
	before, err := p.Sizes(present)
	if err != nil {
		return nil, nil, err
	}
	setting, err := p.PartSetting(present, part)
	if err != nil {
		return nil, nil, err
	}
	wanted := setting.Apply(resized(setting, bytes))
	for other, size := range before {
		s, err := p.PartSetting(wanted, other)
		if err != nil {
			return nil, nil, err
		}
		if other != part && s.Memory < size.Memory {
			wanted = s.Apply(resized(s, size.Memory))
		}
	}
	ops, err = p.Changes(config, wanted)
	if err != nil {
		return nil, nil, err
	}
	own, err := p.Sizes(config)
	if err != nil {
		return nil, nil, err
	}
	after, err := p.Sizes(wanted)
	if err != nil {
		return nil, nil, err
	}
	lowered = map[engine.Part]int64{}
	for q, size := range after {
		if size.Memory < own[q].Memory {
			lowered[q] = size.Memory
		}
	}
	return ops, lowered, nil
}

// resized returns what a setting gives, with another amount of memory.
func resized(s engine.Setting, bytes int64) engine.Size {
	to := s.Size
	to.Memory = bytes
	return to
}
