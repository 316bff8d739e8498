package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) retry() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry JOB [-- COMMAND [ARG…]]",
		Short: "Put a job that stopped back to work, or start a waiting one at once",
		Long: `Put a job that stopped back to work after mending what was wrong, with fresh
budgets; or start the next attempt of a waiting one at once. A COMMAND replaces
the job's from now on; its folder and environment stay.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if before := cmd.ArgsLenAtDash(); len(args) == 1 && before < 0 || before == 1 && len(args) > 1 {
				return nil
			}
			return usagef("say which job: redrive retry JOB, or redrive retry JOB -- COMMAND")
		},
	}
	reason := cmd.Flags().String("reason", "", "what was mended, for the record")
	etag := cmd.Flags().String("etag", "", "only if the job still has this etag")
	wait := cmd.Flags().Bool("wait", false, "show what happens until the job has ended")
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		client := redrivev1.NewSchedulerServiceClient(conn)
		req := &redrivev1.RetryJobRequest{Name: nameOf("jobs", args[0]), Reason: *reason, Etag: *etag}
		if len(args) > 1 {
			if req.Process, err = processWith(cmd.Context(), client, req.GetName(), args[1:]); err != nil {
				return err
			}
		}
		job, err := client.RetryJob(cmd.Context(), req)
		switch {
		case err != nil:
			return err
		case *wait:
			return a.wait(cmd.Context(), *f, job, job)
		default:
			return a.tellJob(*f, job)
		}
	}
	return cmd
}

// processWith returns what a job runs, with another command.
func processWith(ctx context.Context, c redrivev1.SchedulerServiceClient, job string, command []string) (*redrivev1.ProcessTask, error) {
	j, err := c.GetJob(ctx, &redrivev1.GetJobRequest{Name: job})
	if err != nil {
		return nil, err
	}
	p := &redrivev1.ProcessTask{}
	if j.GetProcess() != nil {
		p = proto.CloneOf(j.GetProcess())
	}
	p.Args = command
	return p, nil
}

// tellJob says in a sentence how a job is.
func (a *app) tellJob(f format, j *redrivev1.Job) error {
	if f != "table" {
		return f.write(a.stdout, j)
	}
	_, err := fmt.Fprintln(a.stdout, a.jobSentence(j))
	return err
}

func (a *app) jobSentence(j *redrivev1.Job) string {
	if j.GetCancelRequested() && j.GetEndTime() == nil {
		return j.GetName() + " is being cancelled"
	}
	return fmt.Sprintf("%s is %s", j.GetName(), a.out.State(j.GetState()))
}
