package home_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/errs"
)

func TestWhereTheFolderIs(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	for _, tc := range []struct{ chosen, xdg, want string }{
		{"", "", "/home/me/.local/share/redrive"},
		{"", "/data", "/data/redrive"},
		{"", "relative", "/home/me/.local/share/redrive"},
		{"/tmp/x/", "/data", "/tmp/x"},
	} {
		t.Setenv("XDG_DATA_HOME", tc.xdg)
		if got, err := home.Find(tc.chosen); err != nil || string(got) != tc.want {
			t.Errorf("Find(%q) with XDG_DATA_HOME=%q = %q, %v; want %q", tc.chosen, tc.xdg, got, err, tc.want)
		}
	}
}

func TestOneServerPerFolder(t *testing.T) {
	f, err := home.Find(filepath.Join(t.TempDir(), "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Endpoint(); !errs.Is(err, errs.NotFound) {
		t.Errorf("Endpoint of no folder: %v, want NotFound", err)
	}
	first, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(string(f))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v (%v), want 0700", info.Mode(), err)
	}
	if err := first.Publish(home.Endpoint{PID: os.Getpid(), GRPC: "127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	if e, err := f.Endpoint(); err != nil || e.GRPC != "127.0.0.1:1" {
		t.Errorf("Endpoint = %+v, %v", e, err)
	}
	if _, err := f.Open(); !errs.Is(err, errs.FailedPrecondition) || !strings.Contains(err.Error(), "another redrive server") {
		t.Errorf("the second Open: %v, want a refusal", err)
	}
	if err := first.Withdraw(); err != nil {
		t.Error(err)
	}
	if err := first.Withdraw(); err != nil {
		t.Errorf("the second Withdraw: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	again, err := f.Open()
	if err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestTheRecordOfADeadServerDoesNotCount(t *testing.T) {
	f := home.Folder(t.TempDir())
	l, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the folder goes with the test
	if err := l.Publish(home.Endpoint{PID: 1 << 30, GRPC: "127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Endpoint(); !errs.Is(err, errs.NotFound) {
		t.Errorf("Endpoint = %v, want NotFound", err)
	}
}
