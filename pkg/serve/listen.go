package serve

import (
	"net"
	"net/netip"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Listen opens a TCP listener on addr (host:port; empty is 127.0.0.1:0). Where
// other machines could reach it, it is errs.Invalid about the flag field unless
// insecure consents.
func Listen(field, addr string, insecure bool) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	if err := CheckAddr(field, addr, insecure); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, errs.New(errs.FailedPrecondition, "listen for %s: %w; is another redrive running? --%[1]s chooses another address", field, err)
	}
	return l, nil
}

// CheckAddr refuses an address that is not host:port, and one that other
// machines can reach unless insecure consents.
func CheckAddr(field, addr string, insecure bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return errs.Field("--"+field, "%q is not HOST:PORT, such as 127.0.0.1:8470", addr)
	}
	if !insecure && !IsLoopback(host) {
		return errs.Field("--"+field, "%q can be reached from other machines, and nothing is encrypted: serve TLS with --tls-cert and --tls-key, put a TLS proxy in front of a loopback address, or consent with --insecure-listen", addr)
	}
	return nil
}

// IsLoopback reports whether host, without a port, names this machine alone:
// "localhost" or a loopback IP address. No other name is looked up.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}
