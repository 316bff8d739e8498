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
	sizes, err := r.own()
	own := sizes[of.Part].Memory
	switch {
	case err != nil || own == 0:
		return 0, 0, err
	case rec.First && rec.Reach == 0: // no run of the type was measured
		return r.beside(sizes, of.Part), own, nil
	case rec.First:
		return r.beside(sizes, of.Part), 0, nil
	case own <= rec.Proven || of.Memory >= own:
		return 0, 0, nil
	case rec.Reach == 0 || r.SameFailures >= lowered:
		return own, own, nil
	}
	return 0, own, nil
}

// beside returns the least bytes of the tree of a JVM that leave its heap, and a
// tenth of that beside it, their room: the heap grows to its limit, whatever
// other steps or smaller inputs left of it. Without one the JVM takes its heap
// from the limit of the tree, which so stays. 0 is no bound.
func (r Request) beside(sizes map[engine.Part]engine.Size, part engine.Part) int64 {
	if r.Type.Engine != engine.JVM || part != engine.Tree {
		return 0
	}
	own, heap := sizes[engine.Tree].Memory, sizes[engine.Heap].Memory
	if heap == 0 {
		return own
	}
	return min(own, heap+heap/10)
}

// own returns what the job's own configuration gives to each part.
func (r Request) own() (map[engine.Part]engine.Size, error) {
	profile, err := engine.Lookup(r.Type.Engine)
	if err != nil {
		return nil, err
	}
	return profile.Sizes(r.Config)
}
