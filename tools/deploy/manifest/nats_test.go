package manifest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/redrive-io/redrive/tools/deploy/certificate"
	"github.com/redrive-io/redrive/tools/deploy/manifest"
)

// natsOptions is what a NATS server makes of the configuration in the rendering;
// nil where there is none. All passwords are password.
func natsOptions(t *testing.T, objects []*unstructured.Unstructured, password string) *server.Options {
	t.Helper()
	configs := manifest.ConfigMaps(objects)
	for _, w := range workloads(t, objects) {
		c := w.Template.Spec.Containers[0]
		if c.Name != "nats" {
			continue
		}
		env, err := manifest.Environment(c, configs, func(string, string) string { return password }, "nats-1")
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range env {
			t.Setenv(k, v)
		}
		dir := t.TempDir()
		tls := filepath.Join(dir, "tls")
		if err := certificate.Write(tls, "nats"); err != nil {
			t.Fatal(err)
		}
		for name, text := range configs[w.ConfigMap("config")] {
			text = strings.ReplaceAll(text, "/etc/nats-tls", tls)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o, err := server.ProcessConfigFile(filepath.Join(dir, "nats.conf"))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	return nil
}

// The servers that the manifests configure sync every message, know each other,
// and let nobody in without a password, whatever it looks like.
func TestNATSServers(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []*unstructured.Unstructured) {
		o := natsOptions(t, objects, "0123456789")
		if o == nil {
			t.Skip("no NATS server of its own")
		}
		if !o.JetStream || !o.SyncAlways || o.StoreDir != "/data" {
			t.Errorf("JetStream %v, sync always %v, folder %s", o.JetStream, o.SyncAlways, o.StoreDir)
		}
		if o.ServerName != "nats-1" {
			t.Errorf("the server's name is %q, want the pod's", o.ServerName)
		}
		users := map[string]*server.User{}
		for _, u := range o.Users {
			if u.Password != "0123456789" {
				t.Errorf("user %s has password %q", u.Username, u.Password)
			}
			users[u.Username] = u
		}
		if len(users) != 2 || users["redrive"] == nil || users["client"] == nil {
			t.Fatalf("users are %v", users)
		}
		if users["redrive"].Permissions != nil || users["client"].Permissions == nil {
			t.Error("redrive may do everything, and a client may not")
		}
		if o.Cluster.Username != "route" || o.Cluster.Password != "0123456789" || len(o.Routes) != 3 {
			t.Errorf("routes %v as user %q", o.Routes, o.Cluster.Username)
		}
		for _, r := range o.Routes {
			if p, _ := r.User.Password(); p != "0123456789" {
				t.Errorf("route %s has another password", r)
			}
		}
		if encrypted := filepath.Base(t.Name()) == "distributed-tls"; encrypted != (o.TLSConfig != nil) || encrypted != (o.Cluster.TLSConfig != nil) {
			t.Errorf("TLS of clients %v, of routes %v", o.TLSConfig != nil, o.Cluster.TLSConfig != nil)
		}
	})
}
