package classifier

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// TestMetricsOfARecommenderThatIsAway looks at a failure that waits for the
// recommender, before and after it is given up.
func TestMetricsOfARecommenderThatIsAway(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewRegistry()
	w.metrics = registry
	w.recommender.setDown(true)
	s, client := w.service(Options{})
	m := told("etl", 1, "nobody knows this")
	if _, err := client.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType()}); err == nil {
		t.Fatal("classified without the recommender")
	}
	n, err := s.failures.CountOpen(t.Context())
	if err != nil || n != 1 {
		t.Errorf("%d failures are open (%v)", n, err)
	}
	if err := s.driveOn(t.Context(), time.Now().Add(giveUpAfter+time.Minute)); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP redrive_classifier_calls_total What came of asking the recommender and the config service: ok, refused (not asked again) or failed (asked again).
# TYPE redrive_classifier_calls_total counter
redrive_classifier_calls_total{outcome="failed",to="configsvc"} 0
redrive_classifier_calls_total{outcome="failed",to="recommender"} 1
redrive_classifier_calls_total{outcome="ok",to="configsvc"} 0
redrive_classifier_calls_total{outcome="ok",to="recommender"} 0
redrive_classifier_calls_total{outcome="refused",to="configsvc"} 0
redrive_classifier_calls_total{outcome="refused",to="recommender"} 0
# HELP redrive_classifier_failures_total Failures by their class, counted when they are final.
# TYPE redrive_classifier_failures_total counter
redrive_classifier_failures_total{class="unknown"} 1
# HELP redrive_classifier_oldest_open_seconds Age of a failure that is not final, the one that stands for longest; 0 when there is none. The same in every replica: take the largest, not the sum.
# TYPE redrive_classifier_oldest_open_seconds gauge
redrive_classifier_oldest_open_seconds 0
# HELP redrive_classifier_open_failures Failures that are not final; at most 100000 are counted. The same in every replica: take the largest, not the sum.
# TYPE redrive_classifier_open_failures gauge
redrive_classifier_open_failures 0
# HELP redrive_classifier_unadvised_total Final failures on which the recommender has a say and did not have it: it refused, or did not answer for an hour.
# TYPE redrive_classifier_unadvised_total counter
redrive_classifier_unadvised_total 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "redrive_classifier_calls_total", "redrive_classifier_failures_total",
		"redrive_classifier_oldest_open_seconds", "redrive_classifier_open_failures", "redrive_classifier_unadvised_total"); err != nil {
		t.Error(err)
	}
}
