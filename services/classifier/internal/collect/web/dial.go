package web

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// addrCheck refuses addresses; host is what was asked to connect to.
type addrCheck func(host string, to netip.Addr) bool

// refusedError says that an address is none to go to.
type refusedError struct{ to netip.Addr }

// Error implements error.
func (e *refusedError) Error() string {
	return fmt.Sprintf("%s is an address of this network; name its host in a --log-source to allow it", e.to)
}

// dialer connects to addresses that check lets pass. It looks at the address
// that is connected to, not at what a name meant a moment before.
func dialer(check addrCheck) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		d := net.Dialer{Timeout: 5 * time.Second, Control: func(_, at string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(at)
			if err != nil {
				return err
			}
			if ip := to.Addr().Unmap(); !check(host, ip) {
				return &refusedError{ip}
			}
			return nil
		}}
		return d.DialContext(ctx, network, address)
	}
}

// checkNamed lets everything pass for a host that the operator named, but not a
// name that leads to link-local addresses, where clouds keep credentials.
func checkNamed(host string, to netip.Addr) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || !to.IsLinkLocalUnicast()
}

// checkOpen lets only addresses of the internet pass.
func checkOpen(_ string, to netip.Addr) bool {
	if !to.IsGlobalUnicast() || to.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(to) {
			return false
		}
	}
	return true
}

// special are networks that are no part of the internet although their
// addresses look like it, or that lead to addresses of IPv4.
var special = func() []netip.Prefix {
	var all []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16", "fec0::/10",
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}()
