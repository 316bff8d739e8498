package loop

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// A store of any size is made of one that a real run left: its documents again
// and again, with other ids. Ids are digests of 24 hex digits; whatever names
// one names the same id of its own copy.

// digits is the length of a digest.
const digits = 24

// copier writes the documents of one store many times into another.
type copier struct {
	from, to *bolt.DB
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
	if c.from, err = bolt.Open(from, 0o600, &bolt.Options{ReadOnly: true}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.from.Close()) }()
	if c.to, err = bolt.Open(to, 0o600, &bolt.Options{NoSync: true, FreelistType: bolt.FreelistMapType, InitialMmapSize: 1 << 34}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.to.Sync(), c.to.Close()) }()
	return c.from.View(func(tx *bolt.Tx) error {
		counted := tx.Bucket([]byte("d" + kind))
		if counted == nil || counted.Stats().KeyN == 0 {
			return fmt.Errorf("%s has no document of kind %s", from, kind)
		}
		if err := tx.ForEach(c.note); err != nil {
			return err
		}
		times := (n + counted.Stats().KeyN - 1) / counted.Stats().KeyN
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error { return c.bucket(name, b, times) })
	})
}

// note takes down the ids of documents.
func (c *copier) note(name []byte, b *bolt.Bucket) error {
	if name[0] != 'd' {
		return nil
	}
	return b.ForEach(func(id, _ []byte) error {
		for at := range digests(id) {
			c.ids[string(id[at:at+digits])] = true
		}
		return nil
	})
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
	item int // of the bucket that is copied
	pad  []byte
}

// perCommit entries are written in one commit.
const perCommit = 20_000

// bucket writes the copies of one bucket in the order of their keys. Events
// that wait to be sent are left out: they would be sent.
func (c *copier) bucket(name []byte, b *bolt.Bucket, times int) error {
	if bytes.HasSuffix(name, []byte(".outbox")) {
		return nil
	}
	var keys, values [][]byte
	err := b.ForEach(func(k, v []byte) error {
		keys, values = append(keys, k), append(values, v)
		return nil
	})
	if err != nil {
		return err
	}
	if string(name) == "m" {
		times = 1
	}
	all := make([]entry, 0, len(keys)*times)
	for n := range times {
		pad := padOf(n)
		for i, k := range keys {
			all = append(all, entry{c.renamed(k, pad), i, pad})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	for chunk := range slices.Chunk(all, perCommit) {
		err := c.to.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(name)
			if err != nil {
				return err
			}
			b.FillPercent = 0.7 // as random inserts leave pages
			for _, e := range chunk {
				if err := b.Put(e.key, c.renamed(values[e.item], e.pad)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
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
