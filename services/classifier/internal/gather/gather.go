// Package gather counts the failures that no rule knew in clusters, once each,
// and looks which clusters the rules of today would know. It works behind what
// classifies, in small steps.
package gather

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Bounds of one Step.
const (
	batch    = 200 // failures of a commit
	batches  = 20
	settling = 50 // clusters that are tried on the rules of today
	purging  = 200
)

// Settled is how old a failure is when it is counted. Those of all replicas are
// counted in the order of their times: one that is stored later than this after
// it was made is not counted.
const Settled = 20 * time.Second

// Cursor is how far failures are counted.
type Cursor struct {
	After     string    // the place of the last one
	Time      time.Time // when it was made
	Sequence  int64     // of the cluster that was made last
	Counted   int64     // failures
	Forgotten int64     // failures of clusters that made room for others
	Revision  int64     // of its document
}

// Store keeps clusters and reads failures.
type Store interface {
	// Cursor returns how far failures are counted. Its revision changes with
	// every change of a cluster, whoever makes it.
	Cursor(ctx context.Context) (Cursor, error)
	// Load returns all clusters.
	Load(ctx context.Context) ([]*cluster.Cluster, error)
	// Unknown returns failures that no rule knew, of those behind a place and
	// made before a time the first; how many were looked at; and the place of
	// the last.
	Unknown(ctx context.Context, after string, until time.Time, limit int) (found []cluster.Failure, looked int, place string, err error)
	// Commit stores all or nothing: errs.Conflict when a cluster or the cursor is
	// not at its revision any more.
	Commit(ctx context.Context, c Cursor, changed, gone []*cluster.Cluster) error
	// Input returns what rules see of a failure; errs.NotFound when it was purged.
	Input(ctx context.Context, failure string) (rule.Input, error)
}

// Gatherer gathers for all replicas, one of which does it at a time: what
// another one has stored meanwhile is read again. Its methods are not called
// concurrently.
type Gatherer struct {
	store  Store
	rules  func() *rule.Set
	bounds cluster.Bounds
	age    time.Duration

	tree   *cluster.Tree // nil before it is read
	cursor Cursor
	seen   *rule.Set // the rules that digest is of
	digest string
}

// New returns a gatherer for the rules that are at work when it looks. Clusters
// that had no failure for an age are deleted.
func New(s Store, rules func() *rule.Set, b cluster.Bounds, age time.Duration) *Gatherer {
	return &Gatherer{store: s, rules: rules, bounds: b, age: age}
}

// Step counts failures that were made before now by Settled, at most 4,000. Then
// it deletes some clusters that are too old, and tries some on the rules of
// today if those have changed.
func (g *Gatherer) Step(ctx context.Context, now time.Time) error {
	err := g.step(ctx, now)
	if err != nil {
		g.tree = nil // it may be ahead of what is stored, or behind
	}
	if errs.Is(err, errs.Conflict) {
		return nil // another replica or a human was quicker; the next step reads it
	}
	return err
}

func (g *Gatherer) step(ctx context.Context, now time.Time) error {
	// Before the clusters, so that what changes meanwhile is seen the next time.
	cursor, err := g.store.Cursor(ctx)
	if err != nil {
		return err
	}
	if g.tree == nil || cursor.Revision != g.cursor.Revision {
		known, err := g.store.Load(ctx)
		if err != nil {
			return err
		}
		g.tree, g.cursor = cluster.NewTree(g.bounds, cursor.Sequence, known...), cursor
	}
	for range batches {
		found, looked, place, err := g.store.Unknown(ctx, g.cursor.After, now.Add(-Settled), batch)
		if err != nil {
			return err
		}
		if looked == 0 {
			break
		}
		if err := g.count(ctx, found, place); err != nil {
			return err
		}
	}
	if err := g.purge(ctx, now.Add(-g.age)); err != nil {
		return err
	}
	return g.settle(ctx)
}

// purge deletes clusters that had no failure since before a time.
func (g *Gatherer) purge(ctx context.Context, before time.Time) error {
	next, gone := g.cursor, map[string]*cluster.Cluster{}
	for _, c := range g.tree.Forget(before, purging) {
		next.Forgotten += c.Count
		gone[c.ID] = c
	}
	if len(gone) == 0 {
		return nil
	}
	return g.commit(ctx, next, nil, gone)
}

// count counts failures, and stores what came of it with the place of the last.
func (g *Gatherer) count(ctx context.Context, found []cluster.Failure, place string) error {
	next := g.cursor
	next.After = place
	changed, gone := map[string]*cluster.Cluster{}, map[string]*cluster.Cluster{}
	for _, f := range found {
		next.Time = f.Time
		next.Counted++
		into, evicted := g.tree.Add(f)
		for _, c := range evicted {
			next.Forgotten += c.Count
			delete(changed, c.ID)
			if c.Revision > 0 {
				gone[c.ID] = c
			}
		}
		if before := gone[into.ID]; before != nil { // it takes the place of one with its id
			into.Revision = before.Revision
			delete(gone, into.ID)
		}
		changed[into.ID] = into
	}
	next.Sequence = g.tree.Sequence()
	return g.commit(ctx, next, changed, gone)
}

func (g *Gatherer) commit(ctx context.Context, next Cursor, changed, gone map[string]*cluster.Cluster) error {
	puts, deletes := list(changed), list(gone)
	if err := g.store.Commit(ctx, next, puts, deletes); err != nil {
		return err
	}
	for _, c := range puts {
		c.Revision++
	}
	next.Revision++
	g.cursor = next
	return nil
}

func list(m map[string]*cluster.Cluster) []*cluster.Cluster {
	all := make([]*cluster.Cluster, 0, len(m))
	for _, c := range m {
		all = append(all, c)
	}
	return all
}

// settle tries clusters on the rules that are enforced now, those that have not
// been.
func (g *Gatherer) settle(ctx context.Context) error {
	set := g.rules()
	if set != g.seen {
		g.seen, g.digest = set, digest(set)
	}
	changed := map[string]*cluster.Cluster{}
	for _, c := range g.tree.All() {
		if c.Checked == g.digest {
			continue
		}
		if len(changed) == settling {
			break
		}
		by, err := g.resolver(ctx, set, c)
		if err != nil {
			return err
		}
		c.Settle(g.digest, by, func(id string) bool { _, ok := set.Rule(id); return ok })
		changed[c.ID] = c
	}
	if len(changed) == 0 {
		return nil
	}
	return g.commit(ctx, g.cursor, changed, nil)
}

// digest names what the rules that are enforced decide.
func digest(set *rule.Set) string {
	h := sha256.New()
	for _, c := range set.Rules() {
		if c.Rule.Mode == rule.Enforce {
			h.Write([]byte(c.Rule.Digest()))
		} else {
			h.Write([]byte(c.Rule.ID)) // it may be one that was accepted
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// resolver returns the rule that decides the newest example, where rules decide
// all of them; else nothing.
func (g *Gatherer) resolver(ctx context.Context, set *rule.Set, c *cluster.Cluster) (by string, err error) {
	for _, e := range c.Examples {
		in, err := g.store.Input(ctx, e.Failure)
		if errs.Is(err, errs.NotFound) { // purged: its line is left
			in, err = rule.Input{Texts: []rule.Text{{Text: e.Line, FirstLine: 1}}}, nil
		}
		if err != nil {
			return "", err
		}
		if by = finalize.Finalize(set.Match(in), in).Rule; by == "" {
			return "", nil
		}
	}
	return by, nil
}
