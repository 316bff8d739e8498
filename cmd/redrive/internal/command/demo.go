package command

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/cmd/redrive/internal/demo"
	"github.com/redrive-io/redrive/pkg/serve"
)

func (a *app) demo() *cobra.Command {
	o := demo.Options{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch real jobs fail and recover: the whole system on a data folder of its own",
		Long: `Start the whole system on a data folder of its own, drive real failing jobs through
it, and show what happens to each. It uses the programs of examples/, which
` + "`make demo`" + ` builds beside this binary. The system stays up until Ctrl-C.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Programs, o.Out = filepath.Join(filepath.Dir(self), "examples"), a.stdout
			o.Version, _ = buildOf(a.version)
			ctx, stop := serve.Signals(cmd.Context())
			defer stop()
			return demo.Run(ctx, o)
		},
	}
	cmd.Flags().StringVar(&o.Spark, "spark", "", "tell the stories of real Spark jobs instead, with the pyspark of this Python environment; make demo-spark makes one")
	cmd.Flags().BoolVar(&o.Exit, "exit", false, "end after the last job; the status is 0 only if each ended as it must")
	return cmd
}
