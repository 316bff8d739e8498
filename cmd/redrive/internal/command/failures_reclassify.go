package command

import (
	"context"

	"github.com/spf13/cobra"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) failureReclassify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reclassify",
		Short: "Run today's rules over stored failures again",
		Long: `Run today's rules over stored failures again, and note on each what it would be
today. What was decided stays. Without --class it is done to the failures that no
rule knew. An interrupt cancels it; what is noted by then stays.

  redrive failures reclassify --window 30d --dry-run`,
		Args: cobra.NoArgs,
	}
	class := cmd.Flags().String("class", "", "only failures of this class; unknown when not given")
	dryRun := cmd.Flags().Bool("dry-run", false, "only say what would change")
	t := addTrial(cmd)
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		return a.runTrial(cmd.Context(), *f, t, func(ctx context.Context) (*redrivev1.Backtest, error) {
			return redrivev1.NewClassifierServiceClient(conn).ReclassifyFailures(ctx, &redrivev1.ReclassifyFailuresRequest{
				Class: *class, Window: t.window.proto(), MaxFailures: t.most, ValidateOnly: *dryRun,
			})
		})
	}
	return cmd
}
