package cluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds are how much a tree holds.
type Bounds struct {
	Clusters int // in all
	Leaf     int // clusters of one leaf
}

// DefaultBounds are those of the service.
var DefaultBounds = Bounds{Clusters: 5000, Leaf: 200}

// bareWord begins the template of failures without logs.
const bareWord = "(no-log)"

// alike is the similarity from which on a line belongs to a template.
const alike = 0.6

// Tree finds the cluster of a line among those whose lines have as many words
// and the same first telling word: so many levels and no more, however many
// clusters there are. When it is full, the cluster with which least is lost
// makes room: least wasted first, then the oldest.
type Tree struct {
	bounds   Bounds
	leaves   map[string][]*Cluster // by path, in the order in which they were made
	all      []*Cluster
	byID     map[string]*Cluster
	sequence int64 // of the cluster that was made last
}

// NewTree returns a tree of clusters that were made before, the last of them
// with this sequence or an earlier one.
func NewTree(b Bounds, sequence int64, known ...*Cluster) *Tree {
	t := &Tree{bounds: b, leaves: map[string][]*Cluster{}, byID: map[string]*Cluster{}, sequence: sequence}
	known = slices.Clone(known)
	slices.SortFunc(known, func(a, b *Cluster) int { return cmp.Compare(a.Sequence, b.Sequence) })
	for _, c := range known {
		t.insert(c)
		t.sequence = max(t.sequence, c.Sequence)
	}
	return t
}

// Len returns the number of clusters.
func (t *Tree) Len() int { return len(t.all) }

// Sequence returns that of the cluster that was made last.
func (t *Tree) Sequence() int64 { return t.sequence }

// All returns the clusters, in no order. The slice is the tree's.
func (t *Tree) All() []*Cluster { return t.all }

// Add counts f in the cluster that it belongs to, which it makes when there is
// none, and returns it with those that made room for it.
func (t *Tree) Add(f Failure) (into *Cluster, evicted []*Cluster) {
	words := Words(f.Line)
	path := strconv.Itoa(len(words)) + " " + telling(words)
	if f.Bare { // how it ended is all that there is: it is not masked
		words = append([]string{bareWord}, strings.Fields(f.Line)...)
		path = strings.Join(words, " ")
	}
	into = t.best(path, words)
	if into == nil {
		into, evicted = t.make(path, words)
	} else {
		generalize(into.Words, words)
	}
	into.add(f)
	return into, evicted
}

// best returns the most similar cluster of a leaf, of several the first one.
func (t *Tree) best(path string, words []string) *Cluster {
	var best *Cluster
	most := 0.0
	for _, c := range t.leaves[path] {
		if s := similarity(c.Words, words); s >= alike && s > most {
			best, most = c, s
		}
	}
	return best
}

// generalize puts a wildcard wherever a line differs.
func generalize(template, words []string) {
	for i, w := range words {
		if template[i] != w {
			template[i] = Wildcard
		}
	}
}

func (t *Tree) make(path string, words []string) (*Cluster, []*Cluster) {
	var evicted []*Cluster
	if leaf := t.leaves[path]; len(leaf) >= t.bounds.Leaf {
		evicted = append(evicted, t.evict(leaf))
	}
	if len(t.all) >= t.bounds.Clusters {
		evicted = append(evicted, t.evict(t.all))
	}
	t.sequence++
	c := &Cluster{ID: t.id(words), Words: words, State: Open, Path: path, Sequence: t.sequence}
	t.insert(c)
	return c, evicted
}

// id is derived from the first line of a cluster. Two clusters may begin with
// lines that read the same: the second one has the next id.
func (t *Tree) id(words []string) string {
	for n := 0; ; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", n, strings.Join(words, " ")))
		if id := hex.EncodeToString(sum[:6]); t.byID[id] == nil {
			return id
		}
	}
}

func (t *Tree) insert(c *Cluster) {
	t.leaves[c.Path] = append(t.leaves[c.Path], c)
	t.all = append(t.all, c)
	t.byID[c.ID] = c
}

// Forget takes away, and returns, clusters that had no failure since before a
// time, at most some of them, in the order in which they were made.
func (t *Tree) Forget(before time.Time, most int) []*Cluster {
	var old []*Cluster
	for _, c := range t.all {
		if c.Last.Before(before) {
			old = append(old, c)
		}
	}
	slices.SortFunc(old, func(a, b *Cluster) int { return cmp.Compare(a.Sequence, b.Sequence) })
	old = old[:min(len(old), most)]
	for _, c := range old {
		t.remove(c)
	}
	return old
}

// evict takes away the cluster of among with which least is lost.
func (t *Tree) evict(among []*Cluster) *Cluster {
	c := slices.MinFunc(among, (*Cluster).worth)
	t.remove(c)
	return c
}

func (t *Tree) remove(c *Cluster) {
	same := func(x *Cluster) bool { return x == c }
	if leaf := slices.DeleteFunc(t.leaves[c.Path], same); len(leaf) > 0 {
		t.leaves[c.Path] = leaf
	} else {
		delete(t.leaves, c.Path)
	}
	t.all = slices.DeleteFunc(t.all, same)
	delete(t.byID, c.ID)
}
