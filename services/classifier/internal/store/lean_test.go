package store_test

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// What a recommendation was asked with is the failure's own: it is told with
// the failure, and kept once, whether the recommendation comes with the failure
// or later.
func TestConfigurationsAreKeptOnce(t *testing.T) {
	s, _, db := open(t)
	for name, later := range map[string]bool{"at once": false, "later": true} {
		for asked, of := range map[string]func(record.Record) *redrivev1.RecommendRequest{
			"as the recommender is asked": func(record.Record) *redrivev1.RecommendRequest { return &redrivev1.RecommendRequest{Attempt: 1} },
			"as it was kept before":       func(rec record.Record) *redrivev1.RecommendRequest { return whole(t, rec) },
		} {
			rec := made(name+asked, 1, "memory.container", "w", 0)
			rec.Config, rec.AttemptConfig = map[string]any{"x": "the-original"}, map[string]any{"x": "what-it-ran-with"}
			answer := wire.Recommendation(&redrivev1.Recommendation{Inputs: &redrivev1.RecommendationInputs{Request: of(rec)}})
			var err error
			if later {
				if rec, err = s.Put(t.Context(), rec, false); err != nil {
					t.Fatal(err)
				}
			}
			rec.Recommendation = &answer
			for range 2 {
				if rec, err = s.Put(t.Context(), rec, true); err != nil {
					t.Fatal(err)
				}
			}
			var kept []byte
			for _, kind := range []string{"classifier.failure", "classifier.failure_progress"} {
				doc, err := db.Get(t.Context(), kind, rec.ID())
				if err != nil {
					t.Fatal(err)
				}
				kept = append(kept, doc.Value...)
			}
			for _, value := range []string{"the-original", "what-it-ran-with"} {
				if n := bytes.Count(kept, []byte(value)); n != 1 {
					t.Errorf("%s, %s: %q is kept %d times", name, asked, value, n)
				}
			}
			p, err := s.Read(t.Context(), rec.ID())
			if err != nil {
				t.Fatal(err)
			}
			got := p.GetRecommendation().GetInputs().GetRequest()
			if !proto.Equal(got.GetConfig(), p.GetConfig()) || got.GetAttemptConfig().GetFields()["x"].GetStringValue() != "what-it-ran-with" || got.GetAttempt() != 1 {
				t.Errorf("%s, %s: Read tells that %v was asked", name, asked, got)
			}
		}
	}
}

func whole(t *testing.T, rec record.Record) *redrivev1.RecommendRequest {
	t.Helper()
	p, err := wire.Failure(rec.Failure)
	if err != nil {
		t.Fatal(err)
	}
	return &redrivev1.RecommendRequest{Attempt: 1, Config: p.GetConfig(), AttemptConfig: p.GetAttemptConfig()}
}
