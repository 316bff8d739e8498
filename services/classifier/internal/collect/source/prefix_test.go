package source_test

import (
	"net/url"
	"testing"

	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

func TestPrefixCovers(t *testing.T) {
	for _, tc := range []struct {
		prefix, url string
		want        bool
	}{
		{"https://logs.example.com/a", "https://logs.example.com/a/b", true},
		{"https://logs.example.com/a", "https://logs.example.com/a", true},
		{"https://logs.example.com/a", "https://logs.example.com/ab", false},
		{"https://logs.example.com/a/", "https://logs.example.com/a/b?x=1", true},
		{"https://logs.example.com/a/", "https://logs.example.com/a/../b", false},
		{"https://logs.example.com/a/", "https://logs.example.com/a/%2e%2e/b", false},
		{"https://logs.example.com/a/", `https://logs.example.com/a/..%5cb`, false},
		{"https://logs.example.com/", "http://logs.example.com/a", false},
		{"https://logs.example.com/", "https://LOGS.example.com:443/a", true},
		{"https://logs.example.com/", "https://logs.example.com./a", true},
		{"https://logs.example.com/", "https://logs.example.com:8443/a", false},
		{"https://logs.example.com/", "https://user@logs.example.com/a", false},
		{"https://logs.example.com", "https://logs.example.com.evil.org/a", false},
		{"https://logs.example.com", "https://logs.example.com@evil.org/a", false},
		{"https://*.example.com/", "https://a.example.com/", true},
		{"https://*.example.com/", "https://example.com/", false},
		{"https://*.example.com/", "https://.example.com/", false},
		{"https://*.example.com/", "https://evilexample.com/", false},
		{"https://*/", "https://anything/x", true},
		{"https://*/", "https:///x", false},
		{"https://*/", "https://anything:22/x", false},
		{"https://*:8443/", "https://anything:8443/x", true},
		{"https://*:8443/", "https://:8443/x", false},
		{"https://*/", "https://[2001:db8::1]/x", true},
		{"http://[::1]:8080/", "http://[::1]:8080/a", true},
		{"s3://bucket/spark/", "s3://bucket/spark/app/driver.log", true},
		{"s3://bucket/spark/", "s3://bucket2/spark/app", false},
		{"k8s://", "k8s://jobs/pod", true},
		{"k8s://jobs", "k8s://jobs/pod/main", true},
		{"k8s://jobs", "k8s://kube-system/pod", false},
	} {
		p, err := source.ParsePrefix(tc.prefix)
		if err != nil {
			t.Errorf("ParsePrefix(%q): %v", tc.prefix, err)
			continue
		}
		u, err := url.Parse(tc.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Covers(u); got != tc.want {
			t.Errorf("%s covers %s = %v, want %v", tc.prefix, tc.url, got, tc.want)
		}
	}
}

func TestPrefixesThatCannotBe(t *testing.T) {
	for _, s := range []string{"", "logs", "https://u:p@host/", "https://host/?x=1", "https://a*.host/", "https://*x/", "https://host/../x", "mailto:x", "https://host/#f"} {
		if p, err := source.ParsePrefix(s); err == nil {
			t.Errorf("ParsePrefix(%q) = %v, want an error", s, p)
		}
	}
}

func TestNamedHostsComeFirst(t *testing.T) {
	wide, _ := source.ParsePrefix("https://*/")
	named, _ := source.ParsePrefix("https://logs/")
	u, _ := url.Parse("https://logs/x?X-Amz-Signature=abc")
	if p, ok := (source.Prefixes{wide, named}).Of(u); !ok || p != named {
		t.Errorf("Of = %v, %v, want the one that names the host", p, ok)
	}
	if got := source.Show(u); got != "https://logs/x" {
		t.Errorf("Show = %q, want no query", got)
	}
}

// FuzzPrefix holds every URL that is covered against what an attacker wants:
// another host, or a path that leaves the prefix.
func FuzzPrefix(f *testing.F) {
	f.Add("https://logs.example.com/a/b")
	f.Add("https://logs.example.com/a/%2e%2e/secret")
	f.Add("https://logs.example.com:443/a/x")
	f.Add("https://x@logs.example.com/a/")
	p, err := source.ParsePrefix("https://logs.example.com/a/")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil || !p.Covers(u) {
			return
		}
		if to := (&url.URL{Scheme: "https", Host: "logs.example.com"}).ResolveReference(u); len(to.Path) < 3 || to.Path[:3] != "/a/" {
			t.Errorf("%q is covered and leads to %q", s, to.Path)
		}
	})
}
