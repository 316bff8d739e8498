package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) retry() *cobra.Command {
	var reason, etag string
	return jobResource().change(a, "retry", "Put a job that stopped back to work, or start a waiting one at once",
		"Put a job that stopped back to work after mending what was wrong, with fresh\nbudgets; or start the next attempt of a waiting one at once.",
		func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&reason, "reason", "", "what was mended, for the record")
			cmd.Flags().StringVar(&etag, "etag", "", "only if the job still has this etag")
		},
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Job, error) {
			return redrivev1.NewSchedulerServiceClient(conn).RetryJob(ctx, &redrivev1.RetryJobRequest{Name: name, Reason: reason, Etag: etag})
		}, a.jobSentence)
}

func (a *app) cancel() *cobra.Command {
	var reason, etag string
	return jobResource().change(a, "cancel", "Stop a job, and kill its running attempt with all its processes", "",
		func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
			cmd.Flags().StringVar(&etag, "etag", "", "only if the job still has this etag")
		},
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Job, error) {
			return redrivev1.NewSchedulerServiceClient(conn).CancelJob(ctx, &redrivev1.CancelJobRequest{Name: name, Reason: reason, Etag: etag})
		}, a.jobSentence)
}

func (a *app) jobSentence(j *redrivev1.Job) string {
	text := fmt.Sprintf("%s is %s", j.GetName(), a.out.State(j.GetState()))
	if j.GetCancelRequested() && j.GetEndTime() == nil {
		text = j.GetName() + " is being cancelled"
	}
	return text
}
