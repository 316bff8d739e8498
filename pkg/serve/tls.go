package serve

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
)

// TLSFiles are the PEM files of one side of a TLS connection.
type TLSFiles struct {
	// Cert and Key are what this side presents; both or neither.
	Cert, Key string
	// CA has the authorities by which the other side is verified; empty is
	// those of the operating system.
	CA string
}

// Set reports whether any file is named.
func (f TLSFiles) Set() bool { return f != TLSFiles{} }

// ServerTLS returns how a listener encrypts. With f.CA, callers must present a
// certificate of these authorities. flag begins the names of the settings in
// errors: "tls" for --tls-cert, --tls-key and --tls-client-ca. It is errs.Invalid for files that cannot be
// used. Certificate and key are read again when they change; what cannot be
// used then is logged, and the earlier ones stay.
func ServerTLS(flag string, f TLSFiles, log *slog.Logger) (*tls.Config, error) {
	if f.Cert == "" {
		return nil, errs.Field("--"+flag+"-cert", "a certificate is needed to serve TLS")
	}
	own, err := readPair(flag, f, log)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own.current(), nil }}
	if f.CA != "" {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs, err = readPool("--"+flag+"-client-ca", f.CA)
	}
	return c, err
}

// ClientTLS returns how to connect to a server that encrypts; see ServerTLS for
// flag and the certificate's renewal.
func ClientTLS(flag string, f TLSFiles, log *slog.Logger) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.Cert != "" || f.Key != "" {
		own, err := readPair(flag, f, log)
		if err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own.current(), nil }
	}
	if f.CA == "" {
		return c, nil
	}
	var err error
	c.RootCAs, err = readPool("--"+flag+"-ca", f.CA)
	return c, err
}

// Pin makes c accept the very certificate that is in a PEM file, and no other,
// whatever its names are.
func Pin(c *tls.Config, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return errs.New(errs.FailedPrecondition, "read the server's certificate: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return errs.New(errs.FailedPrecondition, "the server's certificate %s is not PEM", file)
	}
	c.InsecureSkipVerify = true // VerifyConnection does more
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, block.Bytes) {
			return fmt.Errorf("the server does not present the certificate of %s", file)
		}
		return nil
	}
	return nil
}

func readPool(field, file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, errs.Field(field, "%w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errs.Field(field, "%s has no certificate in PEM", file)
	}
	return pool, nil
}

// pairLook is how often a certificate's files are looked at, at most.
const pairLook = time.Second

// pair is a certificate that follows its files.
type pair struct {
	files TLSFiles
	log   *slog.Logger

	mu     sync.Mutex
	cert   *tls.Certificate
	stamp  [2]stamp
	looked time.Time
}

// stamp tells one state of a file from another.
type stamp struct {
	changed time.Time
	size    int64
}

func readPair(flag string, f TLSFiles, log *slog.Logger) (*pair, error) {
	switch {
	case f.Cert == "":
		return nil, errs.Field("--"+flag+"-cert", "--%s-key needs its certificate", flag)
	case f.Key == "":
		return nil, errs.Field("--"+flag+"-key", "--%s-cert needs its key", flag)
	}
	if _, err := ReadGivenSecret(f.Key); err != nil {
		return nil, errs.Field("--"+flag+"-key", "%w", err)
	}
	p := &pair{files: f, log: log, stamp: f.stamps(), looked: time.Now()}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, errs.Field("--"+flag+"-cert", "%w", err)
	}
	p.cert = &cert
	return p, nil
}

func (f TLSFiles) stamps() (all [2]stamp) {
	for i, name := range []string{f.Cert, f.Key} {
		if info, err := os.Stat(name); err == nil {
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}

// current returns the certificate, read again when its files have changed.
func (p *pair) current() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.looked) < pairLook {
		return p.cert
	}
	p.looked = now
	found := p.files.stamps()
	if found == p.stamp {
		return p.cert
	}
	cert, err := tls.LoadX509KeyPair(p.files.Cert, p.files.Key)
	if err != nil { // one of the two may not be there yet: the next look tells
		p.log.Warn("a renewed certificate cannot be used, the earlier one stays", "file", p.files.Cert, "error", err)
		return p.cert
	}
	p.cert, p.stamp = &cert, found
	p.log.Info("a renewed certificate is used", "file", p.files.Cert)
	return p.cert
}
