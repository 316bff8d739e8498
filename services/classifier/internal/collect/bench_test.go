package collect_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
)

// BenchmarkInline is what every failure pays whose logs came with it.
func BenchmarkInline(b *testing.B) {
	c := below("/var/log")
	text := strings.Repeat("2026-11-21 09:00:00 INFO TaskSetManager: Finished task 1.0 in stage 2.0\n", 60)
	e := failure.Evidence{Logs: []failure.Log{{Source: "stderr", Head: text, URI: "file:///var/log/x"}, {Source: "stdout", Head: text}}}
	b.ReportAllocs()
	for b.Loop() {
		if a := c.Collect(b.Context(), collect.Ask{Evidence: e}); len(a.Evidence.Logs) != 2 {
			b.Fatal(a.Warnings)
		}
	}
}
