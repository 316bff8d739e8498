package classifier

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
)

const (
	// pollEvery is how often the rules are read again although no event said so.
	pollEvery = 30 * time.Second
	// sweepEvery is how often failures are looked for that stand still, and
	// stillFor how long one must have stood as it does.
	sweepEvery = 5 * time.Second
	stillFor   = 10 * time.Second
	// sweepMost bounds the failures of one sweep.
	sweepMost = 100
	// giveUpAfter is the age at which a failure that cannot be driven on is
	// ended as it is. Its scheduler has decided without it long before.
	giveUpAfter = time.Hour
	purgeEvery  = time.Hour
	// keepRevisions is how long revisions of rules are kept, and maxRevisions how
	// many of all rules.
	keepRevisions = 400 * 24 * time.Hour
	maxRevisions  = 20_000
)

// every does something now and then, until ctx is done.
func every(ctx context.Context, period time.Duration, do func(context.Context)) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do(ctx)
		}
	}
}

func (s *Service) reload(ctx context.Context) {
	if err := s.book.Reload(ctx); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "the rules could not be read again", "error", err)
	}
}

func (s *Service) sweep(ctx context.Context) {
	if err := s.driveOn(ctx, time.Now()); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "failures stand still", "error", err)
	}
}

// driveOn drives on the failures that have stood still, short of final, since
// a crash or while something did not answer. While something does not answer
// it does not try the rest.
func (s *Service) driveOn(ctx context.Context, now time.Time) error {
	open, err := s.failures.Open(ctx, now.Add(-stillFor), sweepMost)
	if err != nil {
		return err
	}
	var waiting error
	for _, f := range open {
		var err error
		if now.Sub(f.CreateTime) >= giveUpAfter {
			err = s.driver.GiveUp(ctx, f.ID, now)
		} else if waiting == nil {
			_, err = s.driver.Drive(ctx, f.ID)
		}
		switch {
		case err == nil, errs.Is(err, errs.Conflict), errs.Is(err, errs.NotFound): // another one was there first
		case errs.Is(err, errs.Unavailable):
			waiting, err = err, nil
		default:
			s.log.ErrorContext(ctx, "a failure cannot be driven on", "failure", f.ID, "error", err)
		}
	}
	return waiting
}

// recollect reads logs once more that were missing or still growing.
func (s *Service) recollect(ctx context.Context) {
	ids, err := s.failures.Late(ctx, time.Now(), sweepMost)
	late := record.Late{Store: s.failures, Rules: s.book.Set, Collector: s.driver.Collector}
	for _, id := range ids {
		if err := late.Recollect(ctx, id, time.Now()); err != nil && ctx.Err() == nil && !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.NotFound) {
			s.log.WarnContext(ctx, "the logs of a failure could not be read again", "failure", id, "error", err)
		}
	}
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "failures with late logs could not be looked for", "error", err)
	}
}

func (s *Service) purge(ctx context.Context) {
	n, err := s.failures.Purge(ctx, time.Now().Add(-s.options.Retention), s.options.MaxFailures)
	if n > 0 {
		s.log.InfoContext(ctx, "old failures were deleted", "count", n)
	}
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "old failures could not be deleted", "error", err)
	}
	if _, err := s.rules.PurgeRevisions(ctx, time.Now().Add(-keepRevisions), maxRevisions); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "old revisions of rules could not be deleted", "error", err)
	}
}
