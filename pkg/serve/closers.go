package serve

import (
	"context"
	"errors"
	"fmt"
)

// Closers is what has to be stopped, in the order in which it was started. The
// zero value is ready. It is not safe for concurrent use.
type Closers struct{ steps []step }

type step struct {
	name string
	stop func(ctx context.Context) error
}

// Add remembers how to stop what was just started.
func (c *Closers) Add(name string, stop func(ctx context.Context) error) {
	c.steps = append(c.steps, step{name, stop})
}

// Close stops everything in reverse order, each with what is left of ctx. It
// leaves nothing out, not even when ctx has ended, and returns all errors.
// Closing twice changes nothing.
func (c *Closers) Close(ctx context.Context) error {
	var all []error
	for len(c.steps) > 0 {
		last := c.steps[len(c.steps)-1]
		c.steps = c.steps[:len(c.steps)-1]
		if err := last.stop(ctx); err != nil {
			all = append(all, fmt.Errorf("stop %s: %w", last.name, err))
		}
	}
	return errors.Join(all...)
}
