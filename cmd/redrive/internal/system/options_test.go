package system_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

func TestWhatCannotWorkNamesTheFlagAndTheFix(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	shared := func(change func(o *system.Options)) func(o *system.Options) {
		return func(o *system.Options) {
			o.Services = []string{system.Configsvc}
			o.NATS.URL, o.Redis.URL, o.Token = "nats://127.0.0.1:1", "redis://127.0.0.1:1", serve.NewToken()
			change(o)
		}
	}
	for name, tc := range map[string]struct {
		change func(o *system.Options)
		want   []string
	}{
		"no such service": {func(o *system.Options) { o.Services = []string{"webserver"} }, []string{`there is no service "webserver"`, "configsvc"}},
		"a service twice": {shared(func(o *system.Options) { o.Services = []string{system.Notifier, system.Notifier} }), []string{"notifier is named twice"}},
		"a service alone": {func(o *system.Options) { o.Services = []string{system.Scheduler} }, []string{"--nats nats://HOST:PORT", "--redis redis://HOST:PORT"}},
		"bus alone":       {func(o *system.Options) { o.NATS.URL = "nats://127.0.0.1:1" }, []string{"--redis:", "redis://HOST:PORT"}},
		"store alone":     {func(o *system.Options) { o.Redis.URL = "redis://127.0.0.1:1" }, []string{"--nats:", "nats://HOST:PORT"}},
		"no token":        {shared(func(o *system.Options) { o.Token = "" }), []string{"--token-file", "REDRIVE_TOKEN"}},
		"no peer": {shared(func(o *system.Options) {
			o.Services = []string{system.Scheduler, system.Classifier, system.Recommender}
		}), []string{"--peer", "configsvc is called by recommender and classifier and scheduler", "--peer configsvc=HOST:PORT"}},
		"no peers of door":  {func(o *system.Options) { o.Services, o.Token = []string{system.Gateway}, serve.NewToken() }, []string{"notifier is called by gateway", "--peer scheduler=HOST:PORT"}},
		"peer of a door":    {shared(func(o *system.Options) { o.Peers = map[string][]string{system.Gateway: {"127.0.0.1:1"}} }), []string{"--peer", `no service "gateway" to call`}},
		"peer without port": {shared(func(o *system.Options) { o.Peers = map[string][]string{system.Notifier: {"notifier"}} }), []string{"--peer", "HOST:PORT"}},
		"peer in the clear": {shared(func(o *system.Options) {
			o.Services, o.Peers = []string{system.Scheduler}, map[string][]string{system.Configsvc: {"10.0.0.7:8470"}}
		}), []string{"--peer", "unencrypted", "--tls-ca", "--insecure-listen"}},
		"name of a replica":         {shared(func(o *system.Options) { o.Replica = "a b" }), []string{"--replica", "letters"}},
		"lost too soon":             {func(o *system.Options) { o.LostAfter = 1 }, []string{"--lost-after", "30s"}},
		"callers' certificates":     {func(o *system.Options) { o.ClientCA = "ca.pem" }, []string{"--tls-client-ca", "--tls-cert"}},
		"certificate without key":   {func(o *system.Options) { o.TLS.Cert = "c.pem" }, []string{"--tls-key"}},
		"open address":              {func(o *system.Options) { o.GRPCAddr = "0.0.0.0:0" }, []string{"--grpc-addr", "--tls-cert", "--insecure-listen"}},
		"credentials for nothing":   {func(o *system.Options) { o.NATS.User = "me" }, []string{"--nats:", "elsewhere"}},
		"Redis for nothing":         {func(o *system.Options) { o.Redis.Prefix = "x:" }, []string{"--redis:", "elsewhere"}},
		"a secret in the NATS URL":  {shared(func(o *system.Options) { o.NATS.URL = "nats://me:hunter2@127.0.0.1:1" }), []string{"--nats-password-file"}},
		"a secret in the Redis URL": {shared(func(o *system.Options) { o.Redis.URL = "redis://me:hunter2@127.0.0.1:1" }), []string{"--redis-password-file"}},
		"a web URL of NATS":         {shared(func(o *system.Options) { o.NATS.URL = "http://127.0.0.1:1" }), []string{"tls://HOST:PORT"}},
		"half a list of NATS":       {shared(func(o *system.Options) { o.NATS.URL += ",127.0.0.1:2" }), []string{"nats://HOST:PORT"}},
		"NATS user without":         {shared(func(o *system.Options) { o.NATS.User = "me" }), []string{"--nats-password-file", "REDRIVE_NATS_PASSWORD"}},
		"NATS password without":     {shared(func(o *system.Options) { o.NATS.Password = "x" }), []string{"--nats-user"}},
		"NATS credentials twice":    {shared(func(o *system.Options) { o.NATS.User, o.NATS.Password, o.NATS.CredsFile = "a", "b", os.DevNull }), []string{"--nats-creds", "either"}},
		"no such credentials":       {shared(func(o *system.Options) { o.NATS.CredsFile = filepath.Join(dir, "no.creds") }), []string{"--nats-creds", "there is no"}},
		"too many replicas":         {shared(func(o *system.Options) { o.NATS.Replicas = 6 }), []string{"--nats-replicas", "between 1 and 5"}},
		"no URL of Redis":           {shared(func(o *system.Options) { o.Redis.URL = "127.0.0.1:6379" }), []string{"rediss://HOST:PORT"}},
		"no port of Redis":          {shared(func(o *system.Options) { o.Redis.URL = "redis://redis" }), []string{"redis:6379"}},
		"no number of a database":   {shared(func(o *system.Options) { o.Redis.URL += "/main" }), []string{"number of a database"}},
		"a cluster of Redis":        {shared(func(o *system.Options) { o.Redis.URL += ",127.0.0.1:2" }), []string{"--redis-sentinel-master", "Cluster is not supported"}},
		"TLS and not":               {shared(func(o *system.Options) { o.Redis.TLS.CA = "ca.pem" }), []string{"rediss://127.0.0.1:1"}},
		"a prefix without an end":   {shared(func(o *system.Options) { o.Redis.Prefix = "x" }), []string{"--redis-prefix", "colon"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(dir)
			tc.change(&o)
			_, err := system.Start(t.Context(), o)
			if !errs.Is(err, errs.Invalid) {
				t.Fatalf("Start = %v (%v), want Invalid", err, errs.KindOf(err))
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Start = %v, want %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a start that cannot work made the data folder")
	}
}

func TestTheReplicaIsNamedOnce(t *testing.T) {
	name := func(dir string) string {
		t.Helper()
		l, err := home.Folder(dir).Open()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // the folder goes with the test
		name, err := l.Replica()
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	one, other := t.TempDir(), t.TempDir()
	if a, b := name(one), name(one); a != b || home.CheckReplica(a) != nil {
		t.Errorf("a folder's replica is %q and then %q", a, b)
	}
	if a, b := name(one), name(other); a == b {
		t.Errorf("two folders have the replica %q", a)
	}
}
