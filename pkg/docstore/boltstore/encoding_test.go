package boltstore

import (
	"bytes"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
)

func FuzzIndexKeysSortByValueThenID(f *testing.F) {
	f.Add("a", "x", "a\x00", "x")
	f.Add("", "\x00\x01", "\x00", "x")
	f.Add("a\x00\x01", "b", "a", "\x00\x01b")
	f.Fuzz(func(t *testing.T, value1, id1, value2, id2 string) {
		want := strings.Compare(value1, value2)
		if want == 0 {
			want = strings.Compare(id1, id2)
		}
		key1, key2 := indexKey(value1, id1), indexKey(value2, id2)
		if got := bytes.Compare(key1, key2); got != want {
			t.Errorf("(%q, %q) against (%q, %q) = %d, want %d", value1, id1, value2, id2, got, want)
		}
		if id, ok := idOfIndexKey(key1); string(id) != id1 || ok != (id1 != "") {
			t.Errorf("id of the key of (%q, %q) = %q, %v", value1, id1, id, ok)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(record{revision: 1, value: []byte("v")}.encode())
	f.Add([]byte{1, 200, 1, 'x'})
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, stored []byte) {
		full, err := decodeRecord(stored, true)
		brief, briefErr := decodeRecord(stored, false)
		if (err == nil) != (briefErr == nil) || !bytes.Equal(full.value, brief.value) || full.revision != brief.revision {
			t.Errorf("with entries %+v, %v; without %+v, %v", full, err, brief, briefErr)
		}
		if err != nil {
			if !errs.Is(err, errs.Internal) {
				t.Errorf("error = %v, want Internal", err)
			}
			return
		}
		again, err := decodeRecord(full.encode(), true)
		if err != nil || again.revision != full.revision || len(again.entries) != len(full.entries) || !bytes.Equal(again.value, full.value) {
			t.Errorf("%+v came back as %+v, %v", full, again, err)
		}
	})
}
