package command

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) cancelCommand() *cobra.Command {
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
