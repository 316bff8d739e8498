package lease

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

func FuzzDecodeView(f *testing.F) {
	f.Add("assignment", holders{0: "a", 15: "b"}.encode(), "member/a", member{Incarnation: "x", State: alive}.encode())
	f.Add("assignment", []byte(`{"holders":[]}`), "other", []byte(`{}`))
	f.Add("member/", []byte(`null`), "member/a", []byte(`{"incarnation":"x","state":"alive","since":7}`))
	f.Fuzz(func(t *testing.T, id1 string, value1 []byte, id2 string, value2 []byte) {
		v, err := decodeView([]docstore.Doc{{ID: id1, Revision: 1, Value: value1}, {ID: id2, Revision: 1, Value: value2}})
		if err != nil {
			if !errs.Is(err, errs.Internal) {
				t.Errorf("error = %v, want Internal", err)
			}
			return
		}
		for name, m := range v.members {
			again, err := decodeMember(name, m.encode())
			if err != nil || again.State != m.State || again.Incarnation != m.Incarnation || !again.Since.Equal(m.Since) {
				t.Errorf("%+v came back as %+v, %v", m, again, err)
			}
		}
		// JSON has no broken UTF-8: decoding repairs it, so what was decoded comes back.
		if again, err := decodeHolders(v.holders.encode()); err != nil || again != v.holders {
			t.Errorf("%q came back as %q, %v", v.holders, again, err)
		}
	})
}
