package command

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

// folder returns the data folder that the flags and the environment name.
func (a *app) folder() (home.Folder, error) {
	return home.Find(firstOf(a.data, os.Getenv("REDRIVE_DATA")))
}

// dial returns the connection to the server that the flags and the environment
// name. It does not wait for the server.
func (a *app) dial() (*grpc.ClientConn, error) {
	if a.conn != nil {
		return a.conn, nil
	}
	folder, err := a.folder()
	if err != nil {
		return nil, err
	}
	addr, secure, err := a.target(folder)
	if err != nil {
		return nil, err
	}
	token, err := a.token(folder)
	if err != nil {
		return nil, err
	}
	a.address = addr
	a.conn, err = serve.Dial(addr, token, secure)
	return a.conn, err
}

// target returns where the server is, and how to encrypt; nil for not at all.
func (a *app) target(folder home.Folder) (string, credentials.TransportCredentials, error) {
	server := firstOf(a.server, os.Getenv("REDRIVE_SERVER"))
	if server == "" {
		e, err := folder.Endpoint()
		if errs.Is(err, errs.NotFound) {
			return "", nil, errs.New(errs.NotFound, "%w: start one with `redrive serve`, or say where it is with --data or --server", err)
		}
		if err != nil || e.Certificate == "" {
			return e.GRPC, nil, err
		}
		secure, err := a.secure(e.Certificate)
		return e.GRPC, secure, err
	}
	scheme, addr, has := strings.Cut(server, "://")
	if !has {
		scheme, addr = "", server
		if a.files().Set() {
			scheme = "https"
		}
	}
	addr = strings.TrimSuffix(addr, "/")
	host, _, err := net.SplitHostPort(addr)
	switch {
	case err != nil:
		return "", nil, usagef("--server %q is not HOST:PORT, such as 127.0.0.1:8470", server)
	case scheme == "https":
		secure, err := a.secure("")
		return addr, secure, err
	case scheme == "http", scheme == "" && serve.IsLoopback(host):
		return addr, nil, nil
	case scheme == "":
		return "", nil, usagef("the server %s is another machine: write https://%[1]s, or http://%[1]s to send the token unencrypted", addr)
	default:
		return "", nil, usagef("--server %q: the scheme is neither https nor http", server)
	}
}

// files are those of the TLS flags and the environment.
func (a *app) files() serve.TLSFiles {
	return serve.TLSFiles{
		CA:   firstOf(a.tls.CA, os.Getenv("REDRIVE_TLS_CA")),
		Cert: firstOf(a.tls.Cert, os.Getenv("REDRIVE_TLS_CERT")),
		Key:  firstOf(a.tls.Key, os.Getenv("REDRIVE_TLS_KEY")),
	}
}

// secure is how to encrypt. A server that named its certificate's file in its
// data folder is recognised by that very certificate, whatever the address.
func (a *app) secure(certificate string) (credentials.TransportCredentials, error) {
	c, err := serve.ClientTLS("tls", a.files(), slog.New(slog.DiscardHandler))
	if err == nil && certificate != "" {
		err = serve.Pin(c, certificate)
	}
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(c), nil
}

// token returns the token to present: the one that is given, or that of the
// data folder.
func (a *app) token(folder home.Folder) (string, error) {
	if given, err := a.givenToken(); given != "" || err != nil {
		return given, err
	}
	token, err := folder.Token()
	if errs.Is(err, errs.NotFound) {
		return "", errs.New(errs.NotFound, "%w: give the server's token with --token-file or REDRIVE_TOKEN, or its data folder with --data", err)
	}
	return token, err
}

// givenToken returns the token of --token-file or else of the environment, or
// none.
func (a *app) givenToken() (string, error) {
	if a.tokenFile == "" {
		return os.Getenv("REDRIVE_TOKEN"), nil
	}
	token, err := serve.ReadGivenSecret(a.tokenFile)
	if err == nil {
		err = serve.CheckToken(token)
	}
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	return token, nil
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
