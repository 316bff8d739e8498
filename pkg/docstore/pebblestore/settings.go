package pebblestore

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Memory is bounded by the blocks of files that are kept, and by what is
// committed and not sorted into files yet.
const (
	blockBytes    = 32 << 20
	memTableBytes = 32 << 20
	memTables     = 3 // writers wait when so many are full
)

// settings are Pebble's options. The version of the files is named, so that a
// newer Pebble does not change stores by itself.
func settings(o Options) *pebble.Options {
	p := &pebble.Options{
		FormatMajorVersion:          pebble.FormatValueSeparation,
		CacheSize:                   blockBytes + memTables*memTableBytes, // which it counts among the blocks
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: memTables,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
	}
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // most new documents ask whether they exist
	}
	p.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) {
			if o.Log != nil {
				o.Log.Error("the store cannot tidy its files up; it tries again", "error", err)
			}
		},
	}
	return p
}

// broken is told when the store cannot be written any more.
type broken struct {
	done chan struct{} // closed then
	mu   sync.Mutex
	err  error
	tell func(error)
}

func newBroken(tell func(error)) *broken { return &broken{done: make(chan struct{}), tell: tell} }

func (b *broken) fail(cause error) {
	err := errs.New(errs.Unavailable, "the store cannot be written any more: %w; see to its disk and start again", cause)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return
	}
	b.err = err
	close(b.done)
	if b.tell != nil {
		b.tell(err)
	}
}

func (b *broken) error() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// logger takes what Pebble says. What it does in the course of its work is
// nobody's concern.
type logger struct {
	to     *slog.Logger
	broken *broken
}

// Infof implements pebble.Logger.
func (logger) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (l logger) Errorf(format string, args ...any) {
	if l.to != nil {
		l.to.Error("store: " + fmt.Sprintf(format, args...))
	}
}

// Fatalf implements pebble.Logger. Pebble cannot go on, and expects this not to
// return: what was synced is safe, and what was not was not answered.
func (l logger) Fatalf(format string, args ...any) {
	l.broken.fail(fmt.Errorf(format, args...))
	select {}
}
