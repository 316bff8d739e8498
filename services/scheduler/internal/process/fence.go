package process

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Moment is a point on the host's clock: the time since its start, sleep
// included. All processes of a host read the same one, and none of them lives
// longer than it.
type Moment time.Duration

// Now reads the host's clock.
func Now() Moment {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		// Every kernel since 2.6.39 has it. Later is the safe side: it ends what
		// might have to end.
		return Moment(1<<63 - 1)
	}
	return Moment(t.Nano())
}

// Fence ends the attempts of a scheduler that its other replicas may take for
// lost. The scheduler writes the time of each renewal of its lease into a file;
// the supervisor of an attempt ends it when the file is older than the limit.
type Fence struct {
	path  string
	limit time.Duration
	file  *os.File     // kept open: a full disk must not end what runs
	last  atomic.Int64 // the Moment that the file has, when this process wrote it
}

const (
	fencePrefix = ".fence-"
	keyFile     = ".key"
)

var fenceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// NewFence returns the fence of a replica in the attempts' folder root, which it
// makes when needed. Nothing can start behind it before the first Renew. A limit
// of less than a tenth of a second is errs.Invalid: the file is not looked at
// more often.
func NewFence(root, replica string, limit time.Duration) (*Fence, error) {
	if !fenceName.MatchString(replica) {
		return nil, errs.Field("replica", "%q is not 1 to 128 of [A-Za-z0-9._-] that starts with a letter or digit", replica)
	}
	if limit < askEvery {
		return nil, errs.Field("fence", "the limit %s is less than %s", limit, askEvery)
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the attempts' folder: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, errs.New(errs.FailedPrecondition, "make the attempts' folder: %w", err)
	}
	f := &Fence{path: filepath.Join(root, fencePrefix+replica), limit: limit}
	if f.file, err = os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE, 0o600); err != nil {
		return nil, errs.New(errs.FailedPrecondition, "the attempts' folder cannot be used: %w", err)
	}
	return f, nil
}

// Renew says that the lease was renewed, by a renewal that began at m. An older
// one than the last changes nothing. One goroutine may call it.
func (f *Fence) Renew(m Moment) error {
	if int64(m) <= f.last.Load() {
		return nil
	}
	// It is written in place, and twice: who reads half of it sees that.
	if _, err := f.file.WriteAt(fmt.Appendf(nil, "%020d %020d\n", m, m), 0); err != nil {
		return fmt.Errorf("renew the fence: %w", err)
	}
	f.last.Store(int64(m))
	return nil
}

// Until returns until when attempts may be started that were put to run from now
// on: Spec.NotAfter. It is before Now while the lease is not renewed.
func (f *Fence) Until() Moment {
	last := f.last.Load()
	if last == 0 {
		return 1 // long ago
	}
	return Moment(last + int64(f.limit))
}

// readFence reads the file of a fence.
func readFence(path string) (Moment, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	first, second, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	n, err := strconv.ParseInt(first, 10, 64)
	if err == nil && first != second {
		err = fmt.Errorf("%q and %q are not the same", first, second)
	}
	return Moment(n), err
}

// guard is the supervisor's side of a fence.
type guard struct {
	path   string
	limit  time.Duration
	last   Moment // the renewal that was seen last
	looked Moment
}

// broken returns why the attempt must end, or nothing. A renewal that came too
// late does not mend it: meanwhile the attempt may have been taken for lost.
func (g *guard) broken(now Moment) string {
	if g.path == "" || time.Duration(now-g.looked) < min(g.limit/20, time.Second) {
		return ""
	}
	g.looked = now
	until := now
	if seen, err := readFence(g.path); err == nil && seen > g.last {
		if time.Duration(seen-g.last) <= g.limit {
			g.last = seen
		} else {
			until = seen
		}
	}
	if silent := time.Duration(until - g.last); silent > g.limit {
		return fmt.Sprintf("its scheduler had not renewed its lease for %s, more than %s: another replica may take it for lost",
			silent.Round(time.Millisecond), g.limit)
	}
	return ""
}

// FolderKey returns what tells the attempts' folder root from every other one,
// also from one at the same place on another disk. It makes the folder when
// needed.
func FolderKey(root string) (string, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return "", errs.New(errs.FailedPrecondition, "make the attempts' folder: %w", err)
	}
	if _, err := create(root, keyFile, []byte(newKey()[:8])); err != nil {
		return "", errs.New(errs.FailedPrecondition, "the attempts' folder cannot be used: %w", err)
	}
	key, err := os.ReadFile(filepath.Join(root, keyFile))
	if err == nil && !fenceName.Match(key) {
		err = fmt.Errorf("%q is no key", key)
	}
	if err != nil {
		return "", errs.New(errs.FailedPrecondition, "read the key of the attempts' folder: %w", err)
	}
	return string(key), nil
}
