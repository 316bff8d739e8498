// Package book holds the rules at work: the built-in ones and those made or
// changed over the API. Every replica has a book of its own and reads it again
// when a rule changes; classification takes the current Set and never waits.
package book

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Entry is one stored rule: a rule of its own, or what stands over a built-in
// one.
type Entry struct {
	Rule rule.Rule
	// Deleted means that the override of a built-in rule was taken away; the
	// entry stays for its revision, which counts on.
	Deleted bool
	Version int64 // of the document; 0 is not stored
	// RequestID is the request that made the rule, and RequestDigest what it
	// asked for.
	RequestID, RequestDigest string
}

// Store keeps entries and the revisions that led to them. A change is announced
// to every replica in the same commit.
type Store interface {
	// Get returns an entry, or errs.NotFound.
	Get(ctx context.Context, id string) (Entry, error)
	List(ctx context.Context) ([]Entry, error)
	// Commit stores all steps with their revisions, or none. It is errs.Conflict
	// when an entry has another version than its step, or a revision of that
	// number is there.
	Commit(ctx context.Context, now time.Time, steps ...Step) error
	// Revision returns a revision of a rule, the newest for 0, or errs.NotFound.
	Revision(ctx context.Context, id string, number int64) (Revision, error)
}

// Book holds the rules at work. Its methods may be called concurrently.
type Book struct {
	store   Store
	log     *slog.Logger
	builtIn map[string]*rule.Compiled
	set     atomic.Pointer[rule.Set]

	mu       sync.Mutex       // held while the book is read again
	versions map[string]int64 // of the entries that the set is made of
	compiled map[string]compiled
}

// compiled is a stored rule that need not be compiled again.
type compiled struct {
	version int64
	rule    *rule.Compiled
}

// New returns a book with the built-in rules alone.
func New(builtIn *rule.Set, s Store, log *slog.Logger) *Book {
	b := &Book{store: s, log: log, builtIn: map[string]*rule.Compiled{}, compiled: map[string]compiled{}}
	for _, c := range builtIn.Rules() {
		b.builtIn[c.Rule.ID] = c
	}
	b.set.Store(builtIn)
	return b
}

// Set returns the rules at work now.
func (b *Book) Set() *rule.Set { return b.set.Load() }

// Reload reads all stored rules and puts them to work. A stored rule that does
// not compile any more, after an upgrade, is left out, and its built-in one is
// at work. While nothing has changed the set stays the same.
func (b *Book) Reload(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries, err := b.store.List(ctx)
	if err != nil {
		return err
	}
	versions := make(map[string]int64, len(entries))
	for _, e := range entries {
		versions[e.Rule.ID] = e.Version
	}
	if maps.Equal(versions, b.versions) {
		return nil
	}
	set, err := b.merge(entries)
	if err != nil {
		return err
	}
	b.versions = versions
	b.set.Store(set)
	return nil
}

func (b *Book) merge(entries []Entry) (*rule.Set, error) {
	rules := make(map[string]*rule.Compiled, len(b.builtIn)+len(entries))
	maps.Copy(rules, b.builtIn)
	known := make(map[string]compiled, len(entries))
	for _, e := range entries {
		c, err := b.compile(e)
		if err != nil {
			b.log.Error("a stored rule is left out", "rule", e.Rule.ID, "error", err)
			continue
		}
		known[e.Rule.ID] = compiled{e.Version, c}
		if c != nil {
			rules[e.Rule.ID] = c
		}
	}
	b.compiled = known
	all := make([]*rule.Compiled, 0, len(rules))
	for _, c := range rules {
		all = append(all, c)
	}
	return rule.NewSet(all...)
}

// compile returns what e puts to work: nil for the entry of a rule that is not
// built in any more.
func (b *Book) compile(e Entry) (*rule.Compiled, error) {
	if known, ok := b.compiled[e.Rule.ID]; ok && known.version == e.Version {
		return known.rule, nil
	}
	if !e.Deleted {
		return rule.Compile("rule", b.flagged(e.Rule))
	}
	c := b.builtIn[e.Rule.ID]
	if c == nil {
		return nil, nil
	}
	again := *c
	again.Rule = restored(c, e)
	return &again, nil
}

// flagged says of r whether it stands over a built-in rule.
func (b *Book) flagged(r rule.Rule) rule.Rule {
	_, builtIn := b.builtIn[r.ID]
	r.BuiltIn, r.Overridden = builtIn, builtIn
	return r
}

// Get returns one rule with its document's version; errs.NotFound when there is
// none. It reads the store, so that it sees every change that was answered.
func (b *Book) Get(ctx context.Context, id string) (Entry, error) {
	e, err := b.store.Get(ctx, id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return Entry{}, err
	}
	return b.resolve(id, e)
}

// resolve returns what the stored entry of a rule means, the zero one when there
// is none; errs.NotFound when there is no such rule.
func (b *Book) resolve(id string, e Entry) (Entry, error) {
	if e.Version > 0 && !e.Deleted {
		e.Rule = b.flagged(e.Rule)
		return e, nil
	}
	c := b.builtIn[id]
	if c == nil {
		return Entry{}, errs.New(errs.NotFound, "rules/%s does not exist", id)
	}
	return Entry{Rule: restored(c, e), Version: e.Version}, nil
}

// restored is a built-in rule that counts on from the stored entry.
func restored(c *rule.Compiled, e Entry) rule.Rule {
	r := c.Rule
	if e.Version > 0 {
		r.Revision, r.UpdateTime, r.Author = e.Rule.Revision, e.Rule.UpdateTime, e.Rule.Author
	}
	return r
}
