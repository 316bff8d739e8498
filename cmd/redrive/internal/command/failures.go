package command

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func failureResource() resource[*redrivev1.Failure] {
	return resource[*redrivev1.Failure]{
		one: "failure", many: "failures",
		get: func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Failure, error) {
			return redrivev1.NewClassifierServiceClient(conn).GetFailure(ctx, &redrivev1.GetFailureRequest{Name: name})
		},
		filters: func(cmd *cobra.Command) pageOf[*redrivev1.Failure] {
			class := cmd.Flags().String("class", "", "only failures of this class")
			job := cmd.Flags().String("job", "", "only failures of this job: jobs/ID, or SOURCE/JOB of another scheduler")
			workflow := cmd.Flags().String("workflow", "", "only failures of this workflow")
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.Failure, string, error) {
				r, err := redrivev1.NewClassifierServiceClient(conn).ListFailures(ctx, &redrivev1.ListFailuresRequest{
					PageSize: size, PageToken: token, Class: *class, Job: jobFilter(*job), Workflow: *workflow,
				})
				return r.GetFailures(), r.GetNextPageToken(), err
			}
		},
		heading: []string{"NAME", "CLASS", "VERDICT", "JOB", "ATTEMPT", "RULE", "CREATED", "SUMMARY"},
		row: func(a *app, f *redrivev1.Failure) []string {
			at := failure.AttemptFromProto(f.GetAttempt())
			return []string{
				f.GetName(), classOf(f), screen.Name(f.GetVerdict()), at.JobName(), strconv.Itoa(at.Number),
				clean(f.GetRule()), a.when(f.GetCreateTime()), clean(f.GetSummary()),
			}
		},
		show: (*app).showFailure,
	}
}

// classOf is the class of a failure, with what it would be today where that is
// another one.
func classOf(f *redrivev1.Failure) string {
	class := clean(f.GetClass())
	if r := f.GetReclassification(); r != nil && r.GetClass() != f.GetClass() {
		class += " (today " + clean(r.GetClass()) + ")"
	}
	return class
}

// todayOf says what later rules say of a failure, where they say something else.
func todayOf(a *app, f *redrivev1.Failure) string {
	r := f.GetReclassification()
	if r == nil {
		return ""
	}
	return decision(r.GetRule(), r.GetClass(), r.GetVerdict()) + ", found " + a.when(r.GetTime())
}

func (a *app) failures() *cobra.Command {
	r := failureResource()
	return family("failures", "List failures and look at them", r.listCommand(a), r.getCommand(a), a.failureReclassify())
}

func (a *app) showFailure(f *redrivev1.Failure) error {
	a.tellFailure(f)
	a.tellMatches(f)
	a.gap()
	a.say("`redrive explain %s` also says what was considered and decided.", f.GetName())
	return nil
}

// jobFilter lets people leave out "jobs/".
func jobFilter(job string) string {
	if job == "" {
		return ""
	}
	return nameOf("jobs", job)
}
