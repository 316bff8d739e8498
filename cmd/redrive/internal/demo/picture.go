package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// draw leaves a picture of what the recommender saw for a failure in the data
// folder.
func (s *stage) draw(ctx context.Context, failure string) error {
	drawn, err := s.call.classifier.PlotFailure(ctx, &redrivev1.PlotFailureRequest{Name: failure})
	if err != nil {
		return err
	}
	file := filepath.Join(s.o.Data, "recommendation.svg")
	if err := os.WriteFile(file, []byte(drawn.GetSvg()), 0o600); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	s.say("why this much is drawn in %s: redrive explain --plot", file)
	return nil
}
