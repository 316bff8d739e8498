package driver

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
		key1, key2 := IndexKey(value1, id1), IndexKey(value2, id2)
		if got := bytes.Compare(key1, key2); got != want {
			t.Errorf("(%q, %q) against (%q, %q) = %d, want %d", value1, id1, value2, id2, got, want)
		}
		if id, ok := IDOfIndexKey(key1); string(id) != id1 || ok != (id1 != "") {
			t.Errorf("id of the key of (%q, %q) = %q, %v", value1, id1, id, ok)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(Record{Revision: 1, Value: []byte("v")}.Encode())
	f.Add([]byte{1, 200, 1, 'x'})
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, stored []byte) {
		full, err := DecodeRecord(stored, true)
		brief, briefErr := DecodeRecord(stored, false)
		if (err == nil) != (briefErr == nil) || !bytes.Equal(full.Value, brief.Value) || full.Revision != brief.Revision {
			t.Errorf("with entries %+v, %v; without %+v, %v", full, err, brief, briefErr)
		}
		if err != nil {
			if !errs.Is(err, errs.Internal) {
				t.Errorf("error = %v, want Internal", err)
			}
			return
		}
		again, err := DecodeRecord(full.Encode(), true)
		if err != nil || again.Revision != full.Revision || len(again.Entries) != len(full.Entries) || !bytes.Equal(again.Value, full.Value) {
			t.Errorf("%+v came back as %+v, %v", full, again, err)
		}
	})
}
