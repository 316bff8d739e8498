package process

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAGuardIsNotMended: a supervisor that was stopped together with its
// scheduler may see the next renewal before it looks at the time.
func TestAGuardIsNotMended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fence")
	const second = Moment(time.Second)
	for _, tc := range []struct {
		name    string
		renewed Moment // what the file says; 0 when there is none
		now     Moment
		broken  bool
	}{
		{"renewed in time", 105 * second, 106 * second, false},
		{"nothing new, within the limit", 90 * second, 110 * second, false},
		{"nothing new for too long", 90 * second, 111 * second, true},
		{"no file, within the limit", 0, 109 * second, false},
		{"no file for too long", 0, 111 * second, true},
		{"renewed, but too late", 200 * second, 201 * second, true},
		{"renewed in time, and then not", 105 * second, 116 * second, true},
	} {
		g := guard{path: path, limit: 10 * time.Second, last: 100 * second}
		os.Remove(path) //nolint:errcheck // it may not be there
		if tc.renewed != 0 {
			if err := os.WriteFile(path, fmt.Appendf(nil, "%020d %020d\n", tc.renewed, tc.renewed), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if proof := g.broken(tc.now); (proof != "") != tc.broken {
			t.Errorf("%s: %q, want broken %v", tc.name, proof, tc.broken)
		}
	}
	for _, half := range []string{"", "7", "7 ", "00000000000000000107 00000000000000000095\n", "x x"} {
		if err := os.WriteFile(path, []byte(half), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readFence(path); err == nil {
			t.Errorf("a fence of %q was read", half)
		}
	}
	if proof := (&guard{}).broken(Now()); proof != "" {
		t.Errorf("without a fence: %q", proof)
	}
}
