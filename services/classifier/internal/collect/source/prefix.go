package source

import (
	"net/url"
	"path"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Prefix is what the operator allows: all URLs of one scheme and host whose
// path begins so.
type Prefix struct {
	// Scheme is in small letters.
	Scheme string
	// Host has its port when it is not the scheme's own. "*" is any host,
	// "*.example.com" any host below that domain, with that port alone, and empty is any where the
	// scheme's URLs need not have one.
	Host string
	// Path begins with a slash.
	Path string
}

// ParsePrefix reads a prefix that is written as a URL.
func ParsePrefix(s string) (Prefix, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "":
		return Prefix{}, errs.New(errs.Invalid, "%.200q is no URL such as s3://BUCKET/PATH/", s)
	case u.User != nil:
		return Prefix{}, errs.New(errs.Invalid, "%s has a user or password in it; give credentials by a file or the environment", u.Redacted())
	case u.Opaque != "" || u.RawQuery != "" || u.Fragment != "":
		return Prefix{}, errs.New(errs.Invalid, "%.200q: only a scheme, a host and a path can be a prefix", s)
	case strings.Contains(strings.TrimPrefix(u.Host, "*"), "*"), strings.HasPrefix(u.Host, "*") && u.Hostname() != "*" && !strings.HasPrefix(u.Host, "*."):
		return Prefix{}, errs.New(errs.Invalid, "%.200q: a host may begin with \"*.\" or be \"*\"", s)
	case hasDots(u.Path):
		return Prefix{}, errs.New(errs.Invalid, "%.200q has \"..\" in its path", s)
	}
	return Prefix{Scheme: u.Scheme, Host: hostOf(u), Path: "/" + strings.TrimPrefix(u.Path, "/")}, nil
}

// Named reports whether the operator named the host itself, and not only a part
// of its name.
func (p Prefix) Named() bool { return !strings.HasPrefix(p.Host, "*") }

// String returns the prefix as it is written.
func (p Prefix) String() string { return p.Scheme + "://" + p.Host + p.Path }

// Covers reports whether u is below the prefix. A path ends at a slash: "/a"
// covers "/a" and "/a/b", and not "/ab".
func (p Prefix) Covers(u *url.URL) bool {
	if u.Scheme != p.Scheme || u.User != nil || u.Opaque != "" || hasDots(u.Path) || !p.coversHost(hostOf(u)) {
		return false
	}
	at := "/" + strings.TrimPrefix(u.Path, "/")
	rest, ok := strings.CutPrefix(at, p.Path)
	return ok && (rest == "" || strings.HasSuffix(p.Path, "/") || rest[0] == '/')
}

func (p Prefix) coversHost(host string) bool {
	if p.Named() {
		return p.Host == "" || host == p.Host
	}
	name, port := splitPort(host)
	ending, wanted := splitPort(p.Host[1:])
	return port == wanted && strings.HasSuffix(name, ending) && len(name) > len(ending)
}

// splitPort takes the port off a host.
func splitPort(host string) (name, port string) {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i], host[i+1:]
	}
	return host, ""
}

// hasDots reports whether a path climbs. The paths of URLs are decoded already.
func hasDots(p string) bool {
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." || part == "." {
			return true
		}
	}
	return strings.ContainsRune(p, 0) || strings.Contains(p, `\`)
}

// hostOf returns the host of u in small letters, without the port that its
// scheme has anyway and without the dot that ends a whole name.
func hostOf(u *url.URL) string {
	host, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || port == "80" && u.Scheme == "http" || port == "443" && u.Scheme == "https" {
		return host
	}
	return host + ":" + port
}

// Prefixes are all that is allowed.
type Prefixes []Prefix

// Of returns the prefix that covers u: one that names the host before one that
// does not.
func (ps Prefixes) Of(u *url.URL) (Prefix, bool) {
	var found Prefix
	ok := false
	for _, p := range ps {
		if p.Covers(u) && (!ok || p.Named() && !found.Named()) {
			found, ok = p, true
		}
	}
	return found, ok
}

// Check is errs.PermissionDenied for a URL that no prefix covers.
func (ps Prefixes) Check(u *url.URL) error {
	if _, ok := ps.Of(u); !ok {
		return errs.New(errs.PermissionDenied, "no --log-source allows %s", Show(u))
	}
	return nil
}

// Show returns u for a message: without its query, which may be a signature,
// and without a password.
func Show(u *url.URL) string {
	shown := *u
	shown.RawQuery, shown.Fragment = "", ""
	s := shown.Redacted()
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

// Matches reports whether the last part of a path is one that the pattern means.
func Matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}
