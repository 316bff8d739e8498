package advice

import "github.com/redrive-io/redrive/pkg/engine"

// lowered is how many attempts may fail with less than the job's own
// configuration before a retry gets exactly that.
const lowered = 2

// bounds returns the least and the most bytes of the part that a search may
// give; 0 is no bound. What people configured is taken to be enough until it
// has failed: an attempt that had less, because it was sized or right-sized,
// never gets more than that, and gets exactly that where nothing is known of
// the need or where less has failed twice.
func (r Request) bounds(of engine.Setting, rec Record) (least, most int64, err error) {
	own, err := r.own(of.Part)
	switch {
	case err != nil || own == 0:
		return 0, 0, err
	case rec.First && rec.Reach == 0: // no run of the type was measured
		return 0, own, nil
	case rec.First || own <= rec.Proven || of.Memory >= own:
		return 0, 0, nil
	case rec.Reach == 0 || r.SameFailures >= lowered:
		return own, own, nil
	}
	return 0, own, nil
}

// own returns what the job's own configuration gives to a part, in bytes.
func (r Request) own(part engine.Part) (int64, error) {
	profile, err := engine.Lookup(r.Type.Engine)
	if err != nil {
		return 0, err
	}
	sizes, err := profile.Sizes(r.Config)
	return sizes[part].Memory, err
}
