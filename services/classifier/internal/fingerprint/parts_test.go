package fingerprint_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/services/classifier/internal/fingerprint"
)

// masked joins the masks of the words, and collects the raw text of a mask.
func masked(words [][]fingerprint.Part) (text string, of map[string][]string) {
	of = map[string][]string{}
	var all []string
	for _, w := range words {
		var b strings.Builder
		for _, p := range w {
			b.WriteString(p.Mask)
			if !p.Constant {
				of[p.Mask] = append(of[p.Mask], p.Raw)
			}
		}
		all = append(all, b.String())
	}
	return strings.Join(all, " "), of
}

func TestPartsSayWhatEachMaskStandsFor(t *testing.T) {
	const line = "2026-11-21 08:57:01,123 ERROR [executor-12] open \"a b\" at /var/lib/x: 3.0 4, took  5s \x1b[0m"
	text, of := masked(fingerprint.Parts(line))
	if want := fingerprint.Mask(line); text != want {
		t.Fatalf("the parts are %q, the mask %q", text, want)
	}
	for mask, want := range map[string]string{"<time>": "2026-11-21 08:57:01,123", "<str>": `"a b"`, "<path>": "/var/lib/x", "#": "-12|3.0 4|5"} {
		if got := strings.Join(of[mask], "|"); got != want {
			t.Errorf("%s stands for %q, want %q", mask, got, want)
		}
	}
}

func FuzzParts(f *testing.F) {
	for _, s := range []string{
		`a "b" 'c' 12 0xff /x/y`, "Mar 12 08:57:01 died", "Sat Nov 21 08:57:01 2026 died", "# # 1 2 3", "path a/b/2026-01-01/c=12", "\x1b[31mx\x1b[0m",
		"<str>'", "hdfs://a/b?c=1 10.0.0.1:80 [::1]", strings.Repeat("1 ", 3000), "\xff12", "12\u00a034",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words := fingerprint.Parts(s)
		text, _ := masked(words)
		if want := fingerprint.Mask(s); text != want {
			t.Fatalf("the parts of %q are %q, the mask %q", s, text, want)
		}
		if len(s) > fingerprint.MaxText {
			return
		}
		at := 0
		for _, w := range words {
			for _, p := range w {
				i := strings.Index(s[at:], p.Raw)
				if p.Raw == "" || i < 0 {
					t.Fatalf("part %q is not in %q behind %q", p.Raw, s, s[:at])
				}
				at += i + len(p.Raw)
			}
		}
	})
}
