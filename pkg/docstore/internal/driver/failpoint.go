package driver

import (
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/failpoint"
)

// Hit hits the failpoint of a step of a commit, named by the kinds that are
// written.
func Hit(step string, writes []docstore.Write) {
	if !failpoint.Enabled {
		return
	}
	kinds := make([]string, 0, len(writes))
	for _, w := range writes {
		kinds = append(kinds, w.Kind)
	}
	failpoint.Hit(step, kinds...)
}
