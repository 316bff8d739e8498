package docstore

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Page sizes of list requests (AIP-158).
const (
	DefaultPageSize = 50
	MaxPageSize     = 1000
)

const (
	digestSize = 8
	maxToken   = 8 << 10
)

// Paging is the checked page_size and page_token of one list request.
type Paging struct {
	limit  int
	after  string
	digest [digestSize]byte
}

// NewPaging checks page_size and page_token of a list request (AIP-158): 0
// means 50, more than 1000 means 1000, a negative size is errs.Field of
// "page_size". args are all other arguments of the request, and the name of the
// list, in a fixed order: a token that was made for other arguments is
// errs.Field of "page_token".
func NewPaging(pageSize int32, pageToken string, args ...string) (Paging, error) {
	p := Paging{limit: int(pageSize), digest: digestOf(args)}
	switch {
	case pageSize < 0:
		return Paging{}, errs.Field("page_size", "%d is negative; it must be 0 to %d", pageSize, MaxPageSize)
	case pageSize == 0:
		p.limit = DefaultPageSize
	case pageSize > MaxPageSize:
		p.limit = MaxPageSize
	}
	if pageToken == "" {
		return p, nil
	}
	const want = "it must be the next_page_token of a page with the same arguments"
	if len(pageToken) > maxToken {
		return Paging{}, errs.Field("page_token", "is longer than %d; %s", maxToken, want)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(pageToken)
	if err != nil || len(raw) <= digestSize {
		return Paging{}, errs.Field("page_token", "is not a token; %s", want)
	}
	if subtle.ConstantTimeCompare(raw[:digestSize], p.digest[:]) != 1 {
		return Paging{}, errs.Field("page_token", "belongs to other arguments; %s", want)
	}
	p.after = string(raw[digestSize:])
	return p, nil
}

// Query returns q with the page's limit and place.
func (p Paging) Query(q Query) Query {
	q.Limit, q.After = p.limit, p.after
	return q
}

// Limit is the page's size, for a list that is not of documents.
func (p Paging) Limit() int { return p.limit }

// After is where the page begins, for a list that is not of documents: what Token
// was given for the page before; empty for the first.
func (p Paging) After() string { return p.after }

// Token returns the next_page_token for the cursor next of a page; empty, the
// end, for an empty one.
func (p Paging) Token(next string) string {
	if next == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(p.digest[:], next...))
}

// digestOf gives lists of arguments that differ different digests: each
// argument goes in with its length before it.
func digestOf(args []string) [digestSize]byte {
	h := sha256.New()
	for _, a := range args {
		h.Write(binary.AppendUvarint(nil, uint64(len(a))))
		h.Write([]byte(a))
	}
	return [digestSize]byte(h.Sum(nil))
}
