package fingerprint

import "testing"

// A mask that is not tried would have found nothing.
func FuzzMasksThatAreLeftOut(f *testing.F) {
	for _, s := range []string{
		"\x1b[1m", `"a"`, "`a`", "'a'", "http://a/b", "123e4567-e89b-12d3-a456-426614174000", "2026-11-21 08:57:01", "08:57:01", "24/11/21 08:57:01",
		"Mon, 2 Jan", "Tue Feb", "Mar 12 <time>", "10.0.0.1:80", "[ab:cd:ef:01]", "/a/b", `C:\a`, `\\host\a`, "./a", "a/b/c", "0xff", "@abcdef", "12ab34cd56", "-1.5e+3", "# #",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, m := range masks {
			if !m.may(s) && m.find.MatchString(s) {
				t.Errorf("%q is left out of %q", m.find, s)
			}
		}
	})
}
