// Package home is the data folder: where a server keeps everything that it
// owns, and where the command line finds a server and its token.
package home

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

// Folder is the path of a data folder.
type Folder string

// Find returns the data folder: chosen when it is not empty, else
// $XDG_DATA_HOME/redrive, else ~/.local/share/redrive.
func Find(chosen string) (Folder, error) {
	if chosen == "" {
		chosen = os.Getenv("XDG_DATA_HOME")
		if filepath.IsAbs(chosen) { // a relative one is to be ignored, says the XDG specification
			chosen = filepath.Join(chosen, "redrive")
		} else if user, err := os.UserHomeDir(); err == nil {
			chosen = filepath.Join(user, ".local", "share", "redrive")
		} else {
			return "", errs.New(errs.FailedPrecondition, "this user has no home folder (%w): choose a data folder with --data", err)
		}
	}
	path, err := filepath.Abs(chosen)
	return Folder(path), err
}

// TokenFile holds the token of the API.
func (f Folder) TokenFile() string { return f.path("token") }

// NATSClientFile holds what an external scheduler needs to connect to the
// events.
func (f Folder) NATSClientFile() string { return f.path("nats-client.json") }

// Store is the folder of the embedded store.
func (f Folder) Store() string { return f.path("store") }

// Events is the folder of the embedded bus.
func (f Folder) Events() string { return f.path("events") }

// Attempts is the folder with the attempts of jobs: their logs and records.
func (f Folder) Attempts() string { return f.path("attempts") }

// Token returns the token that the server of this folder made.
func (f Folder) Token() (string, error) { return serve.ReadToken(f.TokenFile()) }

func (f Folder) path(name string) string { return filepath.Join(string(f), name) }

// Lock is a data folder that this process alone uses.
type Lock struct {
	Folder
	held *os.File
}

// Open makes the folder where it does not exist, for this user alone, and locks
// it. It is errs.FailedPrecondition when another process has it.
func (f Folder) Open() (*Lock, error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return nil, errs.New(errs.FailedPrecondition, "make the data folder: %w", err)
	}
	file, err := os.OpenFile(f.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, errs.New(errs.FailedPrecondition, "open the data folder: %w", err)
	}
	if err := lock(file); err != nil {
		err = errors.Join(err, file.Close())
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the data folder %s: %w", f, err)
		}
		return nil, errs.New(errs.FailedPrecondition, "another redrive server%s uses the data folder %s: stop it, or give this one a folder of its own with --data", f.who(), f)
	}
	return &Lock{f, file}, nil
}

// lockPatience is how long a lock may still be held for a server that was
// killed: a process that it was just starting has the lock until it runs its
// own program.
const lockPatience = 2 * time.Second

// lock locks a file, and waits a little for a lock that is about to go.
func lock(file *os.File) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(lockPatience); ; <-tick.C {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			return err
		}
	}
}

// who names the process that serves this folder, as far as it is known.
func (f Folder) who() string {
	if e, err := f.Endpoint(); err == nil {
		return fmt.Sprintf(" (process %d)", e.PID)
	}
	return ""
}

// replicaName is what a replica may be called; names are parts of keys and of
// metrics.
var replicaName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// CheckReplica is errs.Invalid for what cannot be the name of a replica.
func CheckReplica(name string) error {
	if !replicaName.MatchString(name) {
		return errs.New(errs.Invalid, "%q is not 1 to 63 letters, digits, dots, underscores and hyphens that begin and end with a letter or digit", name)
	}
	return nil
}

// Replica returns the name of the replica that this folder belongs to. It is
// made once, from the machine's name, and kept: what the replica was at work on
// when it died is found again by it.
func (l *Lock) Replica() (string, error) {
	file := l.path("replica")
	b, err := os.ReadFile(file)
	if err == nil {
		name := strings.TrimSpace(string(b))
		if err := CheckReplica(name); err != nil {
			return "", errs.New(errs.FailedPrecondition, "%s: %w: delete it, and a new one is made", file, err)
		}
		return name, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	name := hex.EncodeToString(random[:])
	if host, err := os.Hostname(); err == nil {
		host, _, _ = strings.Cut(host, ".")
		if with := host[:min(len(host), 50)] + "-" + name; CheckReplica(with) == nil {
			name = with
		}
	}
	return name, serve.WriteSecret(file, []byte(name+"\n"))
}

// Close lets others use the folder.
func (l *Lock) Close() error { return l.held.Close() }
