package system

import (
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

// NATS says where the bus is that several processes share.
type NATS struct {
	// URL is nats://HOST:PORT or, with TLS, tls://HOST:PORT; more servers of the
	// same cluster follow after commas.
	URL string
	// User and Password, or CredsFile (a .creds file of NATS), are the
	// credentials.
	User, Password, CredsFile string
	// TLS is used when a URL is tls:// or a file is set.
	TLS serve.TLSFiles
	// Replicas is how many servers keep each stream; 0 is 3 where the cluster
	// has three servers, and else 1.
	Replicas int
}

// check refuses what cannot work; errors name the flag.
func (n NATS) check() error {
	if n.URL == "" {
		if n.User != "" || n.Password != "" || n.CredsFile != "" || n.TLS.Set() || n.Replicas != 0 {
			return errs.Field("--nats", "credentials, TLS and replicas of NATS belong to a server elsewhere: give --nats nats://HOST:PORT")
		}
		return nil
	}
	var all []error
	for one := range strings.SplitSeq(n.URL, ",") {
		all = append(all, n.checkURL(one))
	}
	switch {
	case n.CredsFile != "" && (n.User != "" || n.Password != ""):
		all = append(all, errs.Field("--nats-creds", "either the file, or --nats-user with a password"))
	case n.Password != "" && n.User == "":
		all = append(all, errs.Field("--nats-user", "the password is there, its user is not"))
	case n.User != "" && n.Password == "":
		all = append(all, errs.Field("--nats-password-file", "the user %q has no password: name a file with it, or set REDRIVE_NATS_PASSWORD", n.User))
	}
	if n.CredsFile != "" {
		if _, err := serve.ReadGivenSecret(n.CredsFile); err != nil {
			all = append(all, errs.Field("--nats-creds", "%w", err))
		}
	}
	if n.Replicas < 0 || n.Replicas > 5 {
		all = append(all, errs.Field("--nats-replicas", "%d is not between 1 and 5, or 0 for as many as fit", n.Replicas))
	}
	return errs.Fields(all...)
}

func (n NATS) checkURL(one string) error {
	scheme, addr, _ := strings.Cut(one, "://")
	if strings.Contains(addr, "@") {
		return errs.Field("--nats", "credentials in a URL are seen in every process list: use --nats-user and --nats-password-file")
	}
	if scheme != "nats" && scheme != "tls" || serve.CheckPeerAddr(addr) != nil {
		return errs.Field("--nats", "%q is not nats://HOST:PORT or tls://HOST:PORT", one)
	}
	return nil
}

// encrypted reports whether the connection is.
func (n NATS) encrypted() bool { return n.TLS.Set() || strings.Contains(n.URL, "tls://") }
