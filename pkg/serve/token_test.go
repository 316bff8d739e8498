package serve_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

func TestTheTokenIsMadeOnceAndKeptPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if _, err := serve.ReadToken(file); !errs.Is(err, errs.NotFound) {
		t.Errorf("ReadToken of no file: %v, want NotFound", err)
	}
	first, err := serve.EnsureToken(file)
	if err != nil || len(first) < serve.MinTokenLen {
		t.Fatalf("EnsureToken = %q, %v", first, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	if again, err := serve.EnsureToken(file); err != nil || again != first {
		t.Errorf("the second EnsureToken = %q, %v; want the same", again, err)
	}
	if another := serve.NewToken(); another == serve.NewToken() {
		t.Error("two new tokens are the same")
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := serve.ReadToken(file); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("a token that others may read: %v, want FailedPrecondition", err)
	}
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := serve.EnsureToken(file); !errs.Is(err, errs.Invalid) {
		t.Errorf("a short token: %v, want Invalid", err)
	}
}
