package audit

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

// Calendar counts records, and those of failures, by the hour in which they were
// told: all that is needed to find where their newest fifth begins.
type Calendar struct {
	now, first    time.Time // when it was made, and the first hour
	all, failures [hours]int64
}

// hours bounds the calendar: records are kept for 400 days. What is older counts
// with the first hour.
const hours = 24 * 401

// Fewest is with how many records some are left out of the training. Of fewer
// the newest fifth says nothing.
const Fewest = 100

// mostFailures bounds the failures that are played again: enough to tell one in
// a hundred from two. Of more, a sample by their ids is.
const mostFailures = 20_000

// Count ranges over the records and returns the calendar of now.
func Count(ctx context.Context, records Records, now time.Time) (*Calendar, error) {
	c := &Calendar{now: now, first: now.Truncate(time.Hour).Add(-(hours - 1) * time.Hour)}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		i := c.hourOf(told(r))
		c.all[i]++
		if r.Outcome == history.Failed {
			c.failures[i]++
		}
	}
	return c, nil
}

// told returns when a record was told; one that does not say, when it ended.
func told(r record.Record) time.Time {
	if r.Told.IsZero() {
		return r.End
	}
	return r.Told
}

func (c *Calendar) hourOf(at time.Time) int {
	return int(min(max(at.Sub(c.first)/time.Hour, 0), hours-1))
}

// Since returns when the newest fifth of the records began to be told, to the
// hour: what a model is audited on, and must not be trained on. It is zero when
// there are too few records.
func (c *Calendar) Since() time.Time {
	total := sum(c.all[:])
	if total < Fewest {
		return time.Time{}
	}
	newest := int64(0)
	for i := hours - 1; i > 0; i-- {
		if newest += c.all[i]; 5*newest >= total {
			return c.first.Add(time.Duration(i) * time.Hour)
		}
	}
	return time.Time{}
}

// after returns how many records were told since a time.
func (c *Calendar) after(since time.Time) int64 {
	if since.IsZero() {
		return sum(c.all[:])
	}
	return sum(c.all[c.hourOf(since):])
}

// sample returns the share of the failures since a time that is played again.
func (c *Calendar) sample(since time.Time) float64 {
	failures := c.failures[:]
	if !since.IsZero() {
		failures = c.failures[c.hourOf(since):]
	}
	return min(1, mostFailures/max(float64(sum(failures)), 1))
}

func sum(all []int64) (total int64) {
	for _, n := range all {
		total += n
	}
	return total
}
