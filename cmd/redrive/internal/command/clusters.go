package command

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func clusterResource() resource[*redrivev1.Cluster] {
	return resource[*redrivev1.Cluster]{
		one: "cluster", many: "clusters",
		get: func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Cluster, error) {
			return redrivev1.NewClassifierServiceClient(conn).GetCluster(ctx, &redrivev1.GetClusterRequest{Name: name})
		},
		filters: func(cmd *cobra.Command) pageOf[*redrivev1.Cluster] {
			all := cmd.Flags().Bool("all", false, "those that a rule was made of, that a rule resolves or that were dismissed, too")
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.Cluster, string, error) {
				r, err := redrivev1.NewClassifierServiceClient(conn).ListClusters(ctx, &redrivev1.ListClustersRequest{PageSize: size, PageToken: token, All: *all})
				return r.GetClusters(), r.GetNextPageToken(), err
			}
		},
		heading: []string{"NAME", "STATE", "FAILURES", "JOBS", "WASTED", "GB-HOURS", "LAST", "LINE"},
		row: func(a *app, c *redrivev1.Cluster) []string {
			return []string{
				c.GetName(), screen.Name(c.GetState()), strconv.FormatInt(c.GetCount(), 10), jobsOf(c), wasted(c),
				fmt.Sprintf("%.1f", c.GetWastedGbSeconds()/3600), a.when(c.GetLastTime()), clean(c.GetTemplate()),
			}
		},
		show: (*app).showCluster,
	}
}

func (a *app) clusters() *cobra.Command {
	r := clusterResource()
	list := r.listCommand(a)
	list.Long = `List the kinds of failures that no rule knows, the most expensive first. A failure
is counted half a minute after it was classified. GB-HOURS is memory times run
time. "redrive rules suggest CLUSTER" makes a rule of one:

  redrive clusters list
  redrive rules suggest
  redrive rules accept clusters/1f0a33c27b5d --class dependency.unavailable`
	return family("clusters", "List what fails and no rule knows, by what it costs", list, r.getCommand(a), a.clusterDismiss(r))
}

func (a *app) clusterDismiss(r resource[*redrivev1.Cluster]) *cobra.Command {
	var reason string
	var undo bool
	return r.change(a, "dismiss", "Take a cluster off the list",
		"Take a cluster off the list, because it needs no rule. Its failures are counted on.\n\n  redrive clusters dismiss clusters/1f0a33c27b5d --reason \"a test of ours\"",
		func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&reason, "reason", "", "why")
			cmd.Flags().BoolVar(&undo, "undo", false, "put it on the list again")
		},
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Cluster, error) {
			return redrivev1.NewClassifierServiceClient(conn).DismissCluster(ctx, &redrivev1.DismissClusterRequest{Name: name, Reason: reason, Undismiss: undo})
		},
		func(c *redrivev1.Cluster) string { return c.GetName() + " is " + screen.Name(c.GetState()) })
}

func (a *app) showCluster(c *redrivev1.Cluster) error {
	if err := a.fields(
		"name", a.out.Strong(c.GetName()),
		"state", screen.Name(c.GetState()),
		"line", clean(c.GetTemplate()),
		"failures", strconv.FormatInt(c.GetCount(), 10)+" of "+jobsOf(c)+" jobs",
		"wasted", fmt.Sprintf("%s, %.1f GB-hours", wasted(c), c.GetWastedGbSeconds()/3600),
		"first", a.when(c.GetFirstTime()),
		"last", a.when(c.GetLastTime()),
		"rule", clean(c.GetRule()),
		"dismissed", clean(c.GetDismissReason()),
	); err != nil {
		return err
	}
	a.gap()
	return a.examples(c.GetExamples())
}

func (a *app) examples(all []*redrivev1.ClusterExample) error {
	rows := make([][]string, len(all))
	for i, e := range all {
		what := e.GetFailure()
		if what == "" {
			what = "(succeeded)"
		}
		rows[i] = []string{what, clean(e.GetJob()), a.when(e.GetTime()), clean(e.GetLine())}
	}
	return a.out.Table(a.stdout, []string{"FAILURE", "JOB", "WHEN", "LINE"}, rows)
}

// mostJobs is how many jobs of a cluster the server tells apart.
const mostJobs = 128

func jobsOf(c *redrivev1.Cluster) string {
	if c.GetJobs() >= mostJobs {
		return fmt.Sprintf("%d+", mostJobs)
	}
	return strconv.Itoa(int(c.GetJobs()))
}

// wasted is how long the attempts ran that failed.
func wasted(c *redrivev1.Cluster) string {
	return screen.Span(time.Duration(c.GetWastedSeconds() * float64(time.Second)))
}
