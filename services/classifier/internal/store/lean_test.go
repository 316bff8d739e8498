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
// the failure, and kept once.
func TestConfigurationsAreKeptOnce(t *testing.T) {
	s, _, db := open(t)
	rec := put(t, s, "a", 1, "memory.container", "w", 0)
	rec.Config, rec.AttemptConfig = map[string]any{"x": "the-original"}, map[string]any{"x": "what-it-ran-with"}
	for name, asked := range map[string]*redrivev1.RecommendRequest{
		"as the recommender's client leaves it": {Attempt: 1},
		"as it was kept before":                 whole(t, rec),
	} {
		answer, err := wire.Recommendation(&redrivev1.Recommendation{Inputs: &redrivev1.RecommendationInputs{Request: asked}})
		if err != nil {
			t.Fatal(err)
		}
		rec.Recommendation = &answer
		if rec, err = s.Put(t.Context(), rec, false); err != nil {
			t.Fatal(err)
		}
		doc, err := db.Get(t.Context(), "classifier.failure", rec.ID())
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"the-original", "what-it-ran-with"} {
			if n := bytes.Count(doc.Value, []byte(value)); n != 1 {
				t.Errorf("%s: %q is kept %d times", name, value, n)
			}
		}
		p, err := s.Read(t.Context(), rec.ID())
		if err != nil {
			t.Fatal(err)
		}
		got := p.GetRecommendation().GetInputs().GetRequest()
		if !proto.Equal(got.GetConfig(), p.GetConfig()) || got.GetAttemptConfig().GetFields()["x"].GetStringValue() != "what-it-ran-with" || got.GetAttempt() != 1 {
			t.Errorf("%s: Read tells that %v was asked", name, got)
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
