package lease

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// The ids of the documents. The assignment sorts first, so that it is on the
// first page whatever else there is.
const (
	assignmentID = "assignment"
	memberPrefix = "member/"
)

// The states of a member. One that is stopped or dead holds nothing.
const (
	alive   = "alive"
	stopped = "stopped" // by itself, in order
	dead    = "dead"    // as another one found
)

// member is the document of one replica. Each renewal is a new revision.
type member struct {
	Incarnation string `json:"incarnation"`
	State       string `json:"state"`
	// Since is the begin of the state by the clock of the one who wrote it. It
	// is for people, and for forgetting a day later.
	Since time.Time `json:"since"`
}

// holders says who holds which shard; empty is nobody.
type holders [Shards]string

func (m member) encode() []byte { return encode(m) }

func (h holders) encode() []byte { return encode(map[string]holders{"holders": h}) }

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("{}") // a year that JSON has no text for: read as damaged
	}
	return b
}

func decodeMember(id string, value []byte) (member, error) {
	var m member
	if err := json.Unmarshal(value, &m); err != nil {
		return member{}, errs.New(errs.Internal, "lease document %q is damaged: %w", id, err)
	}
	if m.Incarnation == "" || m.State != alive && m.State != stopped && m.State != dead {
		return member{}, errs.New(errs.Internal, "lease document %q is damaged: incarnation %q, state %q", id, m.Incarnation, m.State)
	}
	return m, nil
}

func decodeHolders(value []byte) (holders, error) {
	var h struct {
		Holders []string `json:"holders"`
	}
	if err := json.Unmarshal(value, &h); err != nil {
		return holders{}, errs.New(errs.Internal, "lease document %q is damaged: %w", assignmentID, err)
	}
	if len(h.Holders) != Shards {
		return holders{}, errs.New(errs.Internal, "lease document %q has %d shards; this redrive has %d", assignmentID, len(h.Holders), Shards)
	}
	return holders(h.Holders), nil
}

// view is all lease documents of a service at one moment.
type view struct {
	members  map[string]stored // by name
	holders  holders
	revision int64 // of the assignment; docstore.Absent when there is none
}

type stored struct {
	member
	revision int64
}

func decodeView(docs []docstore.Doc) (view, error) {
	v := view{members: make(map[string]stored, len(docs))}
	for _, d := range docs {
		var err error
		if d.ID == assignmentID {
			v.revision = d.Revision
			if v.holders, err = decodeHolders(d.Value); err != nil {
				return view{}, err
			}
			continue
		}
		name, ok := strings.CutPrefix(d.ID, memberPrefix)
		if !ok {
			return view{}, errs.New(errs.Internal, "lease document %q is none of ours", d.ID)
		}
		m, err := decodeMember(d.ID, d.Value)
		if err != nil {
			return view{}, err
		}
		v.members[name] = stored{m, d.Revision}
	}
	return v, nil
}
