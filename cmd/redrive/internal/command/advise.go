package command

import (
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/serve"
	"github.com/redrive-io/redrive/services/recommender"
)

func (a *app) advise() *cobra.Command {
	var costs string
	cmd := &cobra.Command{
		Use:   "advise",
		Short: "Size recorded executions as the recommender would have done, for a benchmark",
		Long: `Read JSON lines from stdin, about executions one after another, and answer those
that ask with one line to stdout: how much memory the next attempt should have,
or that none is worth it. It learns from the lines that tell how an attempt
ended, with the code that serves, and begins with nothing. Amounts are bytes.

  {"kind":"outcome","id":1,"source":"s","workflow":"w","task_type":"sort","attempt":1,"ok":true,
   "mem_bytes":8589934592,"peak_bytes":1073741824,"runtime_s":60,"input_bytes":500000000,"cores":2}
  {"kind":"allocate","id":2,"source":"s","workflow":"w","task_type":"sort","attempt":2,"failed":true,
   "input_bytes":900000000,"cores":2,"preset_mem_bytes":1073741824,"cap_mem_bytes":137438953472,
   "last_mem_bytes":1073741824,"prev":[{"mem_bytes":1073741824,"cores":2,"runtime_s":61,"reason":"oom"}]}

is answered with

  {"id":2,"action":"run","mem_bytes":…,"cores":2}     or  {"id":2,"action":"stop"}

A line of kind "history" tells of a run on a cluster, and one of kind "choose" asks
on which of its candidates a retry should run; the answer has the candidate's index.`,
		Example: `  replay -data traces -mode remedy -policy 'cmd:redrive advise'`,
		Args:    takes(0, 0),
	}
	cmd.Flags().StringVar(&costs, "cost-policy", "", "YAML `FILE` with prices, the weight of a failed retry and ceilings, as of serve")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := system.LoadCosts(costs)
		if err != nil {
			return err
		}
		ctx, stop := serve.Signals(cmd.Context())
		defer stop()
		// Little is kept here and much is let go of at once: looking for it less often
		// makes the answers faster by a sixth.
		debug.SetGCPercent(400)
		return recommender.Advise(ctx, a.stdin, a.stdout, o)
	}
	return cmd
}
