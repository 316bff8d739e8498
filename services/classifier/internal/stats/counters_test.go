package stats_test

import (
	"testing"
	"time"

	"github.com/redrive-io/redrive/services/classifier/internal/stats"
)

func TestStale(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	days := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	never := time.Time{}
	for _, tc := range []struct {
		name                   string
		last, created, counted time.Time
		want                   bool
	}{
		{"it never matched, and is built in", never, never, days(100), true},
		{"it matched long ago", days(91), days(400), days(400), true},
		{"it matched", days(89), days(400), days(400), false},
		{"it is young", never, days(10), days(400), false},
		{"nobody counted for so long", never, never, days(10), false},
		{"nobody counted", never, never, never, false},
	} {
		if got := (stats.Counters{Last: tc.last}).Stale(days(90), tc.created, tc.counted); got != tc.want {
			t.Errorf("%s: stale %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestPrecision(t *testing.T) {
	if _, ok := (stats.Counters{Wins: 9}).Precision(); ok {
		t.Error("there is a precision without a known outcome")
	}
	if got, ok := (stats.Counters{Right: 3, Wrong: 1}).Precision(); !ok || got != 0.75 {
		t.Errorf("precision = %v, %v", got, ok)
	}
}
