package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/web"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/window"
)

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func allow(t *testing.T, prefixes ...string) source.Prefixes {
	t.Helper()
	var all source.Prefixes
	for _, s := range prefixes {
		p, err := source.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// read reads the windows of what a URL leads to.
func read(ctx context.Context, t *testing.T, o web.Options, uri string) (window.Windows, error) {
	t.Helper()
	found, err := web.NewDriver(web.New(o)).Find(ctx, source.Ref{URL: parse(t, uri)})
	if err != nil {
		return window.Windows{}, err
	}
	return window.Read(ctx, found.Logs[0])
}

// long is a log whose lines are numbered.
var long = func() string {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "%06d\n", i)
	}
	return b.String()
}()

func TestRanges(t *testing.T) {
	written := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	asked := make(chan string, 100)
	ranged := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Range")
		text := map[string]string{"/long": long, "/short": "boom\n", "/empty": ""}[r.URL.Path]
		http.ServeContent(w, r, "", written, strings.NewReader(text))
	})
	flat := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text := map[string]string{"/long": long, "/short": "boom\n", "/empty": ""}[r.URL.Path]
		_, _ = w.Write([]byte(text)) // without a length, and without ranges
	})
	for _, s := range []*httptest.Server{ranged, flat} {
		o := web.Options{Allow: allow(t, s.URL)}
		for path, want := range map[string]string{"/short": "boom\n", "/empty": ""} {
			w, err := read(t.Context(), t, o, s.URL+path)
			if err != nil || w.Head != want || w.Cut || w.Size != int64(len(want)) {
				t.Errorf("%s = %+v, %v", path, w, err)
			}
		}
		w, err := read(t.Context(), t, o, s.URL+"/long")
		if err != nil || !w.Cut || w.Size != int64(len(long)) || !strings.HasPrefix(w.Head, "000000\n") || !strings.HasSuffix(w.Tail, "099999\n") {
			t.Errorf("/long = %d and %d bytes of %d, %v", len(w.Head), len(w.Tail), w.Size, err)
		}
		if s == ranged && !w.Modified.Equal(written) {
			t.Errorf("modified %v, want %v", w.Modified, written)
		}
	}
	close(asked)
	var all []string
	for r := range asked {
		all = append(all, r)
	}
	if last := all[len(all)-2:]; last[0] != "bytes=0-262144" || last[1] != "bytes=-196608" {
		t.Errorf("a long log was asked for by %q, want its head and its end", last)
	}
}

func TestNothingElseIsAskedFor(t *testing.T) {
	secret := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("secret")) })
	logs := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/logs/away":
			http.Redirect(w, r, secret.URL+"/x", http.StatusFound)
		case "/logs/up":
			http.Redirect(w, r, "/other/x", http.StatusMovedPermanently)
		case "/logs/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/logs/user":
			http.Redirect(w, r, "http://me:pw@"+r.Host+"/logs/x", http.StatusFound)
		case "/logs/loop":
			http.Redirect(w, r, "/logs/loop", http.StatusFound)
		case "/logs/on":
			http.Redirect(w, r, "/logs/x", http.StatusTemporaryRedirect)
		default:
			_, _ = w.Write([]byte("log"))
		}
	})
	port := logs.URL[strings.LastIndexByte(logs.URL, ':'):]
	o := web.Options{Allow: allow(t, logs.URL+"/logs/", "http://*/open/", "http://*:"+port[1:]+"/open/", "http://*:80/open/")}
	for path, want := range map[string]string{
		"/logs/x": "log", "/logs/on": "log",
		"/other/x": "!no --log-source allows", "/logs/../other/x": "!no --log-source allows", "/logs/%2e%2e/other": "!no --log-source allows",
		"/logs/away": "!leads to", "/logs/up": "!leads to", "/logs/file": "!leads to", "/logs/user": "!leads to", "/logs/loop": "!more than 5 times",
		// A host that only a star allows must be on the internet.
		"/open/x": "!address of this network",
	} {
		w, err := read(t.Context(), t, o, logs.URL+path)
		if text, refused := strings.CutPrefix(want, "!"); refused && (err == nil || !strings.Contains(err.Error(), text)) || !refused && (err != nil || w.Head != want) {
			t.Errorf("%s = %q, %v, want %q", path, w.Head, err, want)
		}
		if strings.HasPrefix(want, "!no") || strings.Contains(want, "network") {
			if !errs.Is(err, errs.PermissionDenied) {
				t.Errorf("%s: kind %v, want PermissionDenied", path, errs.KindOf(err))
			}
		}
	}
	// A name of this machine is no way around it either.
	if _, err := read(t.Context(), t, o, "http://localhost"+port+"/open/x"); !errs.Is(err, errs.PermissionDenied) {
		t.Errorf("localhost by a star = %v", err)
	}
}

func TestTokensStayWithTheirServer(t *testing.T) {
	seen := make(chan string, 10)
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- "other:" + r.Header.Get("Authorization")
		_, _ = w.Write([]byte("log"))
	})
	own := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- "own:" + r.Header.Get("Authorization")
		http.Redirect(w, r, other.URL+"/x", http.StatusFound)
	})
	mine := parse(t, own.URL).Host
	o := web.Options{Allow: allow(t, own.URL, other.URL), Token: func(u *url.URL) (string, error) {
		if u.Host == mine {
			return "t0ken", nil
		}
		return "", nil
	}}
	if w, err := read(t.Context(), t, o, own.URL+"/x"); err != nil || w.Head != "log" {
		t.Fatalf("read = %q, %v", w.Head, err)
	}
	if a, b := <-seen, <-seen; a != "own:Bearer t0ken" || b != "other:" {
		t.Errorf("seen %q and %q", a, b)
	}
}

func TestStatusesHaveKinds(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var code int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &code)
		http.Error(w, "because\nof reasons", code)
	})
	for code, kind := range map[int]errs.Kind{404: errs.NotFound, 410: errs.NotFound, 401: errs.PermissionDenied, 403: errs.PermissionDenied, 429: errs.Unavailable, 503: errs.Unavailable, 400: errs.Internal} {
		_, err := read(t.Context(), t, web.Options{Allow: allow(t, s.URL)}, fmt.Sprintf("%s/%d?sig=secret", s.URL, code))
		if !errs.Is(err, kind) || !strings.Contains(err.Error(), "because of reasons") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d = %v (%v), want %v", code, err, errs.KindOf(err), kind)
		}
	}
	s.Close()
	if _, err := read(t.Context(), t, web.Options{Allow: allow(t, s.URL)}, s.URL+"/x?sig=secret"); !errs.Is(err, errs.Unavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a server that is away = %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for addr, want := range map[string][2]bool{ // named, by a star
		"8.8.8.8": {true, true}, "2606:4700::1": {true, true},
		"10.1.2.3": {true, false}, "172.16.0.1": {true, false}, "192.168.1.1": {true, false}, "127.0.0.1": {true, false}, "::1": {true, false},
		"fd00::1": {true, false}, "100.64.0.1": {true, false}, "0.0.0.0": {true, false}, "64:ff9b::a9fe:a9fe": {true, false}, "224.0.0.1": {true, false},
		"169.254.169.254": {false, false}, "fe80::1": {false, false},
	} {
		ip := netip.MustParseAddr(addr)
		if named, open := web.CheckNamed("logs.example.com", ip), web.CheckOpen("logs.example.com", ip); named != want[0] || open != want[1] {
			t.Errorf("%s: named %v, by a star %v, want %v", addr, named, open, want)
		}
	}
	if !web.CheckNamed("169.254.169.254", netip.MustParseAddr("169.254.169.254")) {
		t.Error("an address that the operator wrote down is refused")
	}
}
