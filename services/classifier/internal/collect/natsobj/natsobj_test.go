package natsobj_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/natsobj"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/window"
)

func TestObjectsOfARealServer(t *testing.T) {
	server := bustest.Start(t)
	conn, err := nats.Connect(server.ClientURL(), nats.UserInfo(natsserver.UserRedrive, bustest.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	store, err := js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "logs"})
	if err != nil {
		t.Fatal(err)
	}
	long := "first line\n" + strings.Repeat("x123456\n", 100_000) + "last line\n"
	for name, text := range map[string]string{"etl/7/stderr": "boom", "long": long, "empty": ""} {
		if _, err := store.PutString(t.Context(), name, text); err != nil {
			t.Fatal(err)
		}
	}
	prefix, err := source.ParsePrefix("nats-obj://logs/")
	if err != nil {
		t.Fatal(err)
	}
	d := natsobj.New(source.Prefixes{prefix}, bustest.Connect(t, server))
	for uri, want := range map[string]struct {
		head, tail string
		kind       errs.Kind
	}{
		"nats-obj://logs/etl/7/stderr": {head: "boom"},
		"nats-obj://logs/long":         {head: "first line\n", tail: "last line\n"},
		"nats-obj://logs/empty":        {},
		"nats-obj://logs/none":         {kind: errs.NotFound},
		"nats-obj://logs/":             {kind: errs.Invalid},
		"nats-obj://secret/x":          {kind: errs.PermissionDenied},
	} {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		var w window.Windows
		found, err := d.Find(t.Context(), source.Ref{URL: u})
		if err == nil {
			w, err = window.Read(t.Context(), found.Logs[0])
		}
		if errs.KindOf(err) != want.kind || !strings.HasPrefix(w.Head, want.head) || !strings.HasSuffix(w.Tail, want.tail) || w.Cut != (want.tail != "") {
			t.Errorf("%s = %.20q … %v, %v", uri, w.Head, w.Cut, err)
		}
		if err == nil && w.Modified.IsZero() {
			t.Errorf("%s has no time", uri)
		}
	}
}
