package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) submit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "submit FILE | submit [flags] -- COMMAND [ARG…]",
		Short: "Give Redrive a job to bring to success",
		Long: `Give Redrive a job to bring to success: what a YAML or JSON file says (- is
stdin), or a command. A file has the fields of a job:

  type: {workflow: sales, step: load, engine: process}
  process: {args: [python3, load.py, --memory, "{{config.memory_mb}}"]}
  config: {memory_mb: 256}
  owner: team-sales

A command runs without a shell in the current folder, on the server's machine.
With --wait, show what happens until the job has ended; the status is 1 unless
it succeeded. Flags about the job override what a file says.`,
		Example: `  redrive submit --workflow sales --step load --memory 256MiB --wait -- python3 load.py
  redrive submit job.yaml --wait`,
	}
	j := addJobFlags(cmd)
	id := cmd.Flags().String("id", "", "the id to give the job (default: one is made)")
	requestID := cmd.Flags().String("request-id", "", "a UUID that makes the call idempotent (default: a new one)")
	dryRun := cmd.Flags().Bool("dry-run", false, "check it only")
	wait := cmd.Flags().Bool("wait", false, "show what happens until the job has ended")
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		job, err := a.jobFrom(cmd, args)
		if err != nil {
			return err
		}
		if err := j.apply(cmd, job); err != nil {
			return err
		}
		conn, err := a.dial()
		if err != nil {
			return err
		}
		client := redrivev1.NewSchedulerServiceClient(conn)
		stored, err := submitJob(cmd.Context(), client, &redrivev1.SubmitJobRequest{
			Job: job, JobId: *id, RequestId: firstOf(*requestID, uuid.NewString()), ValidateOnly: *dryRun,
		})
		switch {
		case err != nil:
			return err
		case *dryRun:
			a.say("It is in order; nothing was stored.")
			return nil
		case *wait:
			return a.wait(cmd.Context(), *f, stored, nil)
		case *f != "table":
			return f.write(a.stdout, stored)
		}
		if _, err := fmt.Fprintln(a.stdout, stored.GetName()); err != nil {
			return err
		}
		a.say("It is accepted; `redrive jobs get %s` shows how it goes.", stored.GetName())
		return nil
	}
	return cmd
}

// submitJob submits, once more if the answer got lost: the request id makes
// that harmless.
func submitJob(ctx context.Context, c redrivev1.SchedulerServiceClient, r *redrivev1.SubmitJobRequest) (*redrivev1.Job, error) {
	job, err := c.SubmitJob(ctx, r)
	if answerLost(err) {
		job, err = c.SubmitJob(ctx, r)
	}
	return job, err
}

// jobFrom reads the job of a file, or makes one of the command after "--".
func (a *app) jobFrom(cmd *cobra.Command, args []string) (*redrivev1.Job, error) {
	job := &redrivev1.Job{}
	dash := cmd.ArgsLenAtDash()
	switch {
	case dash == 0 && len(args) > 0:
		here, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("find the current folder: %w", err)
		}
		job.Process = &redrivev1.ProcessTask{Args: args, WorkDir: here}
		job.Type = &redrivev1.JobType{Workflow: "default", Step: filepath.Base(args[0]), Engine: "process"}
		return job, nil
	case dash < 0 && len(args) == 1:
		return job, a.readJob(args[0], job)
	case dash < 0 && len(args) > 1:
		return nil, usagef("a command is written after --: redrive submit -- %s …", args[0])
	default:
		return nil, usagef("say what to run: a FILE, or -- COMMAND")
	}
}

// readJob reads a job's file. A working folder, or a Spark application without
// one, that is not absolute is meant from where the file is.
func (a *app) readJob(name string, job *redrivev1.Job) error {
	if err := a.readMessage(name, job); err != nil {
		return err
	}
	from := "."
	if name != "-" {
		from = filepath.Dir(name)
	}
	absolute := func(path *string) error {
		if *path == "" || filepath.IsAbs(*path) || strings.Contains(*path, "://") || strings.HasPrefix(*path, "{{") {
			return nil
		}
		abs, err := filepath.Abs(filepath.Join(from, *path))
		if err == nil {
			*path = abs
		}
		return err
	}
	if job.Process != nil {
		return absolute(&job.Process.WorkDir)
	}
	if job.Spark == nil {
		return nil
	}
	if err := absolute(&job.Spark.WorkDir); err != nil || job.Spark.GetWorkDir() != "" {
		return err // a relative application is in the working folder
	}
	return absolute(&job.Spark.Application)
}

// statusEvery is how often the countdown on a terminal is written anew.
const statusEvery = 500 * time.Millisecond
