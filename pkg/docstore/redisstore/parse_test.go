package redisstore

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/internal/driver"
	"github.com/redrive-io/redrive/pkg/errs"
)

func FuzzParseInfo(f *testing.F) {
	f.Add("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n")
	f.Add(":\n::\nrole:\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name, value := range parseInfo(text) {
			if strings.Contains(name, ":") || !strings.Contains(text, name+":"+value) {
				t.Errorf("%q has no %q: %q", text, name, value)
			}
		}
	})
}

func FuzzPageOf(f *testing.F) {
	record := string(driver.Record{Revision: 1, Value: []byte("v")}.Encode())
	f.Add(int64(1), string(driver.IndexKey("v", "a")), record, true)
	f.Add(int64(0), "a", record, false)
	f.Add(int64(1), "a", "", true)
	f.Fuzz(func(t *testing.T, more int64, member, stored string, byIndex bool) {
		page, err := pageOf([]any{more, member, stored}, byIndex)
		if err != nil {
			if !errs.Is(err, errs.Internal) {
				t.Errorf("error = %v, want Internal", err)
			}
			return
		}
		if len(page.Docs) != 1 || page.Docs[0].Cursor != member || (page.Next != "") != (more == 1 && member != "") {
			t.Errorf("page = %+v of %q, more %d", page, member, more)
		}
	})
}

func TestWhatIsNoPageIsInternal(t *testing.T) {
	for _, reply := range [][]any{nil, {int64(0), "a"}, {int64(0), "a", 7}, {int64(0), 7, "a"}, {int64(1)}} {
		if page, err := pageOf(reply, false); !errs.Is(err, errs.Internal) {
			t.Errorf("pageOf(%v) = %+v, %v; want Internal", reply, page, err)
		}
	}
}

// reply is an answer of the server as the client library returns it.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestKindsOfErrors(t *testing.T) {
	refused := errs.New(errs.FailedPrecondition, "appendfsync")
	for _, tc := range []struct {
		err           error
		open, running errs.Kind
		says          string
	}{
		{nil, errs.None, errs.None, ""},
		{io.EOF, errs.Unavailable, errs.Unavailable, ""},
		{redis.ErrClosed, errs.Unavailable, errs.Unavailable, ""},
		{redis.ErrPoolTimeout, errs.Unavailable, errs.Unavailable, ""},
		{reply("LOADING Redis is loading the dataset in memory"), errs.Unavailable, errs.Unavailable, ""},
		{reply("READONLY You can't write against a read only replica."), errs.Unavailable, errs.Unavailable, "replica"},
		{reply("MASTERDOWN Link with MASTER is down"), errs.Unavailable, errs.Unavailable, ""},
		{reply("CLUSTERDOWN The cluster is down"), errs.Unavailable, errs.Unavailable, ""},
		{reply("BUSY Redis is busy running a script."), errs.Unavailable, errs.Unavailable, ""},
		{reply("MISCONF Errors writing to the AOF file"), errs.Unavailable, errs.Unavailable, "disk"},
		{reply("OOM command not allowed when used memory > 'maxmemory'."), errs.Unavailable, errs.Unavailable, "raise maxmemory"},
		{reply("ERR max number of clients reached"), errs.Unavailable, errs.Unavailable, ""},
		{reply("NOAUTH Authentication required."), errs.Unauthenticated, errs.Unavailable, "password"},
		{reply("WRONGPASS invalid username-password pair or user is disabled."), errs.Unauthenticated, errs.Unavailable, "password"},
		{reply("NOPERM this user has no permissions to run the 'get' command"), errs.PermissionDenied, errs.Unavailable, "ACL SETUSER"},
		{reply("WRONGTYPE Operation against a key"), errs.FailedPrecondition, errs.Internal, ""},
		{reply("DAMAGED x holds no record"), errs.FailedPrecondition, errs.Internal, ""},
		{reply("ERR unknown command 'EVALSHA'"), errs.FailedPrecondition, errs.Internal, ""},
		{refused, errs.FailedPrecondition, errs.Unavailable, "appendfsync"},
	} {
		wrapped := tc.err
		if wrapped != nil {
			wrapped = fmt.Errorf("words: %w", tc.err)
		}
		open, running := precise(wrapped), unavailable(wrapped)
		if errs.KindOf(open) != tc.open || errs.KindOf(running) != tc.running {
			t.Errorf("%v: kind = %v when opening, %v when running; want %v, %v", tc.err, errs.KindOf(open), errs.KindOf(running), tc.open, tc.running)
		}
		if tc.err != nil && (!errors.Is(open, tc.err) || !errors.Is(running, tc.err) || !strings.Contains(open.Error(), tc.says)) {
			t.Errorf("%v became %v and %v; want its words and %q", tc.err, open, running, tc.says)
		}
	}
}

func TestWhatIsNoAnswerIsInternal(t *testing.T) {
	writes := []docstore.Write{{Kind: "job", ID: "a"}}
	for _, result := range []any{"OK", int64(1), []any{int64(1)}, []any{int64(2), int64(1)}, []any{"1", int64(1)}, []any{int64(0), int64(1)}} {
		cmd := redis.NewCmd(t.Context())
		cmd.SetVal(result)
		if err := answer(cmd, writes); !errs.Is(err, errs.Internal) {
			t.Errorf("answer(%v) = %v, want Internal", result, err)
		}
	}
}
