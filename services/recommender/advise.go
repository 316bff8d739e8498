package recommender

import (
	"context"
	"io"

	"github.com/redrive-io/redrive/services/recommender/internal/advise"
)

// Advise answers the questions of a replay of recorded executions, JSON lines
// from in, with JSON lines to out, as the service would have answered them then.
// It begins with nothing learnt and returns when in ends or ctx is done. A line
// that cannot be answered is errs.Invalid.
func Advise(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	return advise.Run(ctx, in, out, o.withDefaults(hostMemory()).settings)
}
