package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Wait blocks until attempt id ended, whichever process started it, and
// returns how. It may be called any number of times, also at once. An id that
// was never claimed is NotFound. An attempt whose supervisor is gone without a
// record ends as LOST, after what is left of its processes was killed. Wait
// returns no result before nothing of the attempt runs; Unavailable means that
// something does which could not be killed.
func (e *Executor) Wait(ctx context.Context, id ID) (Result, error) {
	if err := id.Validate(); err != nil {
		return Result{}, err
	}
	folder := e.folder(id)
	c, err := e.claimOf(id)
	if err != nil {
		return Result{}, err
	}
	if !c.Void {
		// The record is there before the supervisor is gone, which removes
		// nothing any more; so with a record there is no need to wait for it.
		if x, err := readExit(folder, id); err == nil {
			return x.result(folder)
		}
		if err := c.Supervisor.Wait(ctx); err != nil {
			return Result{}, err
		}
	}
	x, err := readExit(folder, id)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, errCorrupt) {
		x, err = e.recover(ctx, id, c)
	}
	if err != nil {
		return Result{}, fmt.Errorf("wait for %s: %w", id, err)
	}
	return x.result(folder)
}

// claimOf reads the claim of id, which is NotFound when there is none.
func (e *Executor) claimOf(id ID) (claim, error) {
	c, err := read[claim](e.folder(id), claimFile)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return c, errs.New(errs.NotFound, "%s was never started here", id)
	case err != nil:
		return c, fmt.Errorf("read the claim of %s: %w", id, err)
	case c.Job != id.Job || c.Attempt != id.Attempt:
		return c, fmt.Errorf("%s: %w: it is that of %s", e.folder(id), errCorrupt, ID{c.Job, c.Attempt})
	}
	return c, nil
}

func readExit(folder string, id ID) (exit, error) {
	x, err := read[exit](folder, exitFile)
	if err == nil && (x.Job != id.Job || x.Attempt != id.Attempt) {
		err = fmt.Errorf("%s: %w: it is that of %s", folder, errCorrupt, ID{x.Job, x.Attempt})
	}
	return x, err
}

// State tells where attempt id is in its life.
func (e *Executor) State(_ context.Context, id ID) (State, error) {
	if err := id.Validate(); err != nil {
		return Unclaimed, err
	}
	c, err := e.claimOf(id)
	switch {
	case errs.Is(err, errs.NotFound):
		return Unclaimed, nil
	case err != nil:
		return Unclaimed, err
	case c.Void:
		return Ended, nil
	}
	alive := c.Supervisor.Alive() // first: it writes the record before it ends
	switch _, err := readExit(e.folder(id), id); {
	case err == nil:
		return Ended, nil
	case alive:
		return Running, nil
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, errCorrupt):
		return Lost, nil
	default:
		return Unclaimed, err
	}
}

// Running lists the attempts that were claimed and have no result yet: those
// in state Running or Lost.
func (e *Executor) Running(ctx context.Context) ([]ID, error) {
	var running []ID
	err := e.each(func(id ID, folder string) error {
		if has(folder, claimFile) && !has(folder, exitFile) {
			running = append(running, id)
		}
		return ctx.Err()
	})
	return running, err
}

// each calls f for every attempt's folder, in no order.
func (e *Executor) each(f func(id ID, folder string) error) error {
	jobs, err := os.ReadDir(e.options.Root)
	if err != nil {
		return fmt.Errorf("list the attempts' folders: %w", err)
	}
	for _, job := range jobs {
		attempts, err := os.ReadDir(filepath.Join(e.options.Root, job.Name()))
		if err != nil {
			continue // removed meanwhile, or no folder
		}
		for _, attempt := range attempts {
			number, err := strconv.Atoi(attempt.Name())
			id := ID{Job: job.Name(), Attempt: number}
			if err != nil || id.Validate() != nil || strconv.Itoa(number) != attempt.Name() {
				continue
			}
			if err := f(id, e.folder(id)); err != nil {
				return err
			}
		}
	}
	return nil
}
