package engine_test

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
)

func TestParseSize(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64 // -1 is an error
	}{
		{"4g", 4 * gib},
		{"4G", 4 * gib},
		{"4gb", 4 * gib},
		{"512m", 512 * mib},
		{"512", 512 * mib},
		{"1024k", mib},
		{"7b", 7},
		{"1t", 1024 * gib},
		{"2pb", 2 << 50},
		{"0", 0},
		{"", -1},
		{"g", -1},
		{"4x", -1},
		{"1.5g", -1},
		{"-1g", -1},
		{"+1g", -1},
		{"4 g", -1},
		{"4gg", -1},
		{"9223372036854775808", -1},
		{"99999999999999g", -1},
	} {
		got, err := engine.ParseSize(tc.text, mib)
		if tc.want < 0 {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("ParseSize(%q) = %d, %v, want an Invalid error", tc.text, got, err)
			}
		} else if err != nil || got != tc.want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", tc.text, got, err, tc.want)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0m", 1: "1m", mib: "1m", mib + 1: "2m", gib: "1g", 4608 * mib: "4608m", 5 * gib: "5g",
	} {
		if got := engine.FormatSize(bytes); got != want {
			t.Errorf("FormatSize(%d) = %q, want %q", bytes, got, want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"4g", "512m", "1.5g", "99999999999p", "", "k", "-1", "1G", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		bytes, err := engine.ParseSize(s, mib)
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("ParseSize(%q) error is %v, want Invalid", s, errs.KindOf(err))
			}
			return
		}
		if bytes < 0 {
			t.Fatalf("ParseSize(%q) = %d", s, bytes)
		}
		again, err := engine.ParseSize(engine.FormatSize(bytes), 1)
		if err == nil && (again < bytes || again-bytes >= mib) {
			t.Errorf("ParseSize(FormatSize(%d)) = %d, want the next whole MiB", bytes, again)
		}
	})
}
