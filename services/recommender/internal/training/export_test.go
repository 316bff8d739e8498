package training

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/services/recommender/internal/model"
)

// RunRemembering is Run with another bound of what is remembered.
func RunRemembering(ctx context.Context, records Records, base model.Content, until time.Time, shape Shape, progress func(int64), most int) (model.Content, error) {
	return run(ctx, records, base, until, shape, progress, most)
}
