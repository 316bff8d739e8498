package loop

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// A store of any size is made of one that a real run left: its documents again
// and again, with other ids. Ids are digests of 24 hex digits; whatever names
// one names the same id of its own copy.

// digits is the length of a digest.
const digits = 24

// copier writes the documents of one store many times into another.
type copier struct {
	from, to *pebble.DB
	ids      map[string]bool // the digests that documents have
}

// copies is the program that bench/ runs to make a large store.
func copies(args []string) int {
	flags := flag.NewFlagSet("copies", flag.ExitOnError)
	from := flags.String("from", "", "the store that is copied")
	to := flags.String("to", "", "the store that is made")
	kind := flags.String("kind", "classifier.failure", "the kind of document that is counted")
	n := flags.Int("n", 0, "how many documents of that kind there are to be, at least")
	_ = flags.Parse(args) // it exits
	if err := copyStore(*from, *to, *kind, *n); err != nil {
		fmt.Fprintln(os.Stderr, "copies:", err)
		return 1
	}
	return 0
}

func copyStore(from, to, kind string, n int) (err error) {
	c := copier{ids: map[string]bool{}}
	if c.from, err = pebble.Open(from, &pebble.Options{ReadOnly: true}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.from.Close()) }()
	all, err := c.read()
	if err != nil {
		return err
	}
	counted := len(all[string(prefix('d', kind))])
	if counted == 0 {
		return fmt.Errorf("%s has no document of kind %s", from, kind)
	}
	// Everything is written in the order of the keys and once, so that nothing
	// has to be sorted.
	o := &pebble.Options{DisableWAL: true, FormatMajorVersion: c.from.FormatMajorVersion()}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // as the store has
	}
	if c.to, err = pebble.Open(to, o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.to.Flush(), c.to.Close()) }()
	times := (n + counted - 1) / counted
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := c.write(name, all[name], times); err != nil {
			return err
		}
	}
	return nil
}

// pair is a key, without its prefix, and its value.
type pair struct{ key, value []byte }

// prefix is what keys begin with that belong together: a letter, and names with
// their lengths.
func prefix(letter byte, names ...string) []byte {
	b := []byte{letter}
	for _, n := range names {
		b = binary.AppendUvarint(b, uint64(len(n)))
		b = append(b, n...)
	}
	return b
}

// read returns all keys by their prefixes, and takes down the ids of documents.
func (c *copier) read() (map[string][]pair, error) {
	all := map[string][]pair{}
	iter, err := c.from.NewIter(nil)
	if err != nil {
		return nil, err
	}
	for ok := iter.First(); ok; ok = iter.Next() {
		key := bytes.Clone(iter.Key())
		size := prefixSize(key)
		name := string(key[:size])
		all[name] = append(all[name], pair{key[size:], bytes.Clone(iter.Value())})
		if key[0] == 'd' {
			for at := range digests(key[size:]) {
				c.ids[string(key[size:][at:at+digits])] = true
			}
		}
	}
	return all, iter.Close()
}

// prefixSize is the size of a key's prefix: documents have one name, entries of
// indexes two, and what is neither is all prefix.
func prefixSize(key []byte) int {
	names, at := map[byte]int{'d': 1, 'x': 2}[key[0]], 1
	if names == 0 {
		return len(key)
	}
	for range names {
		length, n := binary.Uvarint(key[at:])
		at += n + int(length)
	}
	return at
}

// digests yields where runs of exactly as many hex digits begin as a digest
// has.
func digests(b []byte) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := 0; i < len(b); {
			start := i
			for i < len(b) && strings.IndexByte("0123456789abcdef", b[i]) >= 0 {
				i++
			}
			if i-start == digits && !yield(start) {
				return
			}
			if i == start {
				i++
			}
		}
	}
}

// entry is one key of a copy.
type entry struct {
	key  []byte
	item int // of the keys that are copied
	pad  []byte
}

// perCommit entries are written in one commit.
const perCommit = 20_000

// write writes the copies of what has one prefix. Events that wait to be sent
// are left out: they would be sent.
func (c *copier) write(name string, pairs []pair, times int) error {
	if strings.HasSuffix(name, ".outbox") {
		return nil
	}
	if name[0] == 'm' {
		times = 1
	}
	all := make([]entry, 0, len(pairs)*times)
	for n := range times {
		pad := padOf(n)
		for i, p := range pairs {
			all = append(all, entry{c.renamed(p.key, pad), i, pad})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	for chunk := range slices.Chunk(all, perCommit) {
		batch := c.to.NewBatch()
		for _, e := range chunk {
			if err := batch.Set(append([]byte(name), e.key...), c.renamed(pairs[e.item].value, e.pad), nil); err != nil {
				return err
			}
		}
		if err := batch.Commit(pebble.NoSync); err != nil {
			return err
		}
	}
	return nil
}

// padOf returns what turns ids into those of a copy.
func padOf(n int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "copy %d", n))
	return sum[:digits/2]
}

// renamed returns b with the ids of a copy.
func (c *copier) renamed(b, pad []byte) []byte {
	b = bytes.Clone(b)
	for at := range digests(b) {
		id := b[at : at+digits]
		if !c.ids[string(id)] {
			continue
		}
		var raw [digits / 2]byte
		if _, err := hex.Decode(raw[:], id); err != nil {
			panic(err) // they are hex digits
		}
		for i := range raw {
			raw[i] ^= pad[i]
		}
		hex.Encode(id, raw[:])
	}
	return b
}
