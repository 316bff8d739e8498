package redisstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore/redistest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
)

func TestPassword(t *testing.T) {
	server := redistest.Start(t, "requirepass secret")
	o := redisstore.Options{Addrs: []string{server.Addr}}
	wantRefused(t, "no password", o, errs.Unauthenticated, "password")
	o.Password = "guess"
	wantRefused(t, "wrong password", o, errs.Unauthenticated, "password")
	open(t, server, func(o *redisstore.Options) { o.Password = "secret" })
}

// Rights are all that a user needs; docs/operations.md has the same line.
const rights = "~redrive:* resetchannels -@all +hello +auth +ping +select +client|setname +info +config|get +get +set +setnx +getrange +del +type +zadd +zrem +zrange +zlexcount +eval +evalsha"

func TestAUserNeedsFewRights(t *testing.T) {
	server := redistest.Start(t, "user redrive on >secret "+rights)
	as := func(o *redisstore.Options) { o.Username, o.Password = "redrive", "secret" }
	storetest.Run(t, func(t *testing.T) docstore.Store {
		server.Do("FLUSHALL")
		return open(t, server, as)
	})
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "user redrive on >PASSWORD "+rights) {
		t.Errorf("docs/operations.md does not name the rights %q", rights)
	}
	server.Do("ACL", "SETUSER", "redrive", "-get")
	wantRefused(t, "a right is missing", redisstore.Options{Addrs: []string{server.Addr}, Username: "redrive", Password: "secret"},
		errs.PermissionDenied, "ACL SETUSER", "get")
	wantRefused(t, "a prefix that is not allowed", redisstore.Options{Addrs: []string{server.Addr}, Username: "redrive", Password: "secret", Prefix: "other:"},
		errs.PermissionDenied, "ACL SETUSER")
}

// authority is a CA of the test's own.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	a.cert, a.key = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.pool.AddCert(a.cert)
	return a
}

// issue signs a certificate and writes name.crt and name.key.
func (a *authority) issue(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	must := func(err error) {
		a.t.Helper()
		if err != nil {
			a.t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	must(os.WriteFile(a.file(name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(os.WriteFile(a.file(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	cert, err := x509.ParseCertificate(der)
	must(err)
	return cert, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// lines are those of redis.conf for a server with a certificate of a's.
func (a *authority) lines(name string) []string {
	a.issue(name, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return []string{
		"tls-port SAME", "tls-replication yes",
		"tls-ca-cert-file " + a.file("ca.crt"), "tls-cert-file " + a.file(name+".crt"), "tls-key-file " + a.file(name+".key"),
	}
}

func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	lines := ca.lines("server")
	server := redistest.Start(t, append(lines, "tls-auth-clients no")...)
	with := func(c *tls.Config) redisstore.Options {
		return redisstore.Options{Addrs: []string{server.Addr}, TLS: c}
	}
	s := open(t, server, func(o *redisstore.Options) { o.TLS = &tls.Config{RootCAs: ca.pool} })
	if err := s.Commit(t.Context(), docstore.Write{Kind: "job", ID: "a", Value: []byte("v")}); err != nil {
		t.Errorf("Commit over TLS = %v", err)
	}
	wantRefused(t, "a CA that we do not know", with(&tls.Config{RootCAs: other.pool}), errs.FailedPrecondition, "TLS", "unknown authority")
	wantRefused(t, "a certificate for another name", with(&tls.Config{RootCAs: ca.pool, ServerName: "elsewhere"}), errs.FailedPrecondition, "TLS", "elsewhere")
	plain := redistest.Start(t)
	wantRefused(t, "a server without TLS", redisstore.Options{Addrs: []string{plain.Addr}, TLS: &tls.Config{RootCAs: ca.pool}}, errs.Unavailable, "without TLS")
	wantRefused(t, "a client without TLS", with(nil), errs.Unavailable, "wants TLS")

	server = redistest.Start(t, append(lines, "tls-auth-clients yes")...)
	wantRefused(t, "no certificate of ours", with(&tls.Config{RootCAs: ca.pool}), errs.FailedPrecondition, "TLS")
	ca.lines("client")
	pair, err := tls.LoadX509KeyPair(ca.file("client.crt"), ca.file("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	open(t, server, func(o *redisstore.Options) {
		o.TLS = &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{pair}}
	})
}
