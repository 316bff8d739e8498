package system

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow to five times what lives before it is collected.
// What lives is small, some tens of megabytes, and a decision allocates a few:
// at Go's default of 100 the collector would hardly ever rest.
const gcPercent = 400

// collectLess sets gcPercent, unless the operator set GOGC.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
