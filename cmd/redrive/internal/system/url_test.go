package system

import (
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
)

func TestWhatARedisURLSays(t *testing.T) {
	for text, want := range map[string]place{
		"redis://redis:6379":              {addrs: []string{"redis:6379"}},
		"rediss://me@[::1]:6379/3":        {user: "me", addrs: []string{"[::1]:6379"}, db: 3},
		"redis://a:1,b:2,c:3":             {addrs: []string{"a:1", "b:2", "c:3"}},
		"redis://me@example.org@h:1/":     {user: "me@example.org", addrs: []string{"h:1"}},
		"redis://service.namespace.svc:1": {addrs: []string{"service.namespace.svc:1"}},
	} {
		if got, err := (Redis{URL: text}).place(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v (%v), want %+v", text, got, err, want)
		}
	}
}

// Whatever the URLs are, they are refused with the flag's name, or have nothing
// in them but addresses.
func FuzzURLs(f *testing.F) {
	for _, seed := range []string{
		"redis://a:1/0", "rediss://u@a:1,b:2/7", "redis://u:p@a:1", "nats://a:4222,tls://b:4222", "nats://u:p@a:1", "://", "redis://", "nats://[::1]:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := (Redis{URL: text}).place()
		switch {
		case err != nil && (!errs.Is(err, errs.Invalid) || !strings.HasPrefix(err.Error(), "--redis")):
			t.Errorf("place(%q): %v", text, err)
		case err == nil && (len(p.addrs) == 0 || strings.Contains(p.user, ":")):
			t.Errorf("place(%q) = %+v", text, p)
		}
		for _, addr := range p.addrs {
			if _, _, bad := net.SplitHostPort(addr); err == nil && bad != nil {
				t.Errorf("place(%q) has the address %q", text, addr)
			}
		}
		if text == "" {
			return
		}
		if err := (NATS{URL: text}).check(); err != nil && (!errs.Is(err, errs.Invalid) || !strings.HasPrefix(err.Error(), "--nats")) {
			t.Errorf("check(%q): %v", text, err)
		} else if err == nil && strings.Contains(text, "@") {
			t.Errorf("check(%q) takes credentials", text)
		}
	})
}
