//go:build !failpoint

package failpoint

// Enabled reports whether failpoints are built in.
const Enabled = false

// Hit does nothing in this build.
func Hit(string, ...string) {}
