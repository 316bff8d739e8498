package command

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func jobResource() resource[*redrivev1.Job] {
	return resource[*redrivev1.Job]{
		one: "job", many: "jobs",
		get: func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Job, error) {
			return redrivev1.NewSchedulerServiceClient(conn).GetJob(ctx, &redrivev1.GetJobRequest{Name: name})
		},
		filters: func(cmd *cobra.Command) pageOf[*redrivev1.Job] {
			state := addEnum(cmd, "state", "only jobs in this state", redrivev1.Job_State(0))
			workflow := cmd.Flags().String("workflow", "", "only jobs of this workflow")
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.Job, string, error) {
				r, err := redrivev1.NewSchedulerServiceClient(conn).ListJobs(ctx, &redrivev1.ListJobsRequest{
					PageSize: size, PageToken: token, State: redrivev1.Job_State(state.number), Workflow: *workflow,
				})
				return r.GetJobs(), r.GetNextPageToken(), err
			}
		},
		heading: []string{"NAME", "TYPE", "ENGINE", "STATE", "ATTEMPTS", "NEXT", "CREATED", "REASON"},
		row: func(a *app, j *redrivev1.Job) []string {
			return []string{
				j.GetName(), typeName(j.GetType()), clean(j.GetType().GetEngine()), a.out.State(j.GetState()),
				strconv.Itoa(len(j.GetAttempts())), a.next(j), a.when(j.GetCreateTime()), clean(j.GetStateReason()),
			}
		},
		show: (*app).showJob,
	}
}

func (a *app) jobs() *cobra.Command {
	r := jobResource()
	return family("jobs", "List jobs and look at them", r.listCommand(a), r.getCommand(a))
}

func (a *app) showJob(j *redrivev1.Job) error {
	err := a.fields(
		"name", a.out.Strong(j.GetName()),
		"type", typeName(j.GetType())+" ("+clean(j.GetType().GetEngine())+")",
		"state", a.out.State(j.GetState()),
		"reason", clean(j.GetStateReason()),
		"next attempt", a.next(j),
		"run by", map[bool]string{false: clean(j.GetSource())}[j.GetSource() == "redrive"],
		"command", clean(strings.Join(j.GetProcess().GetArgs(), " ")),
		"application", clean(strings.Join(append([]string{j.GetSpark().GetApplication()}, j.GetSpark().GetArgs()...), " ")),
		"folder", clean(cmp.Or(j.GetProcess().GetWorkDir(), j.GetSpark().GetWorkDir())),
		"configuration", screen.Config(j.GetConfig()),
		"owner", clean(j.GetOwner()),
		"labels", pairsOf(j.GetLabels()),
		"created", a.when(j.GetCreateTime()),
		"ended", a.when(j.GetEndTime()),
	)
	if err != nil || len(j.GetAttempts()) == 0 {
		return err
	}
	rows := make([][]string, len(j.GetAttempts()))
	for i, at := range j.GetAttempts() {
		rows[i] = a.attemptRow(at)
	}
	a.gap()
	return a.out.Table(a.stdout, []string{"ATTEMPT", "STARTED", "TOOK", "END", "PEAK", "CONFIGURATION", "FAILURE"}, rows)
}

func (a *app) attemptRow(at *redrivev1.Attempt) []string {
	end, took := a.out.Warn("running"), ""
	if at.GetEndTime() != nil {
		end, took = screen.End(at.GetEvidence()), screen.Took(at)
		if at.GetSucceeded() {
			end = a.out.Good("succeeded")
		}
	}
	peak := ""
	if at.GetEvidence().GetPeakMemoryBytes() > 0 { // 0 is shorter than it could be measured
		peak = screen.Bytes(at.GetEvidence().GetPeakMemoryBytes())
	}
	return []string{
		strconv.Itoa(int(at.GetNumber())), a.when(at.GetStartTime()), took, end, peak, screen.Config(at.GetConfig()), at.GetFailure(),
	}
}

// next says when the next attempt is due.
func (a *app) next(j *redrivev1.Job) string {
	if j.GetState() != redrivev1.Job_STATE_QUEUED && j.GetState() != redrivev1.Job_STATE_WAITING {
		return ""
	}
	return a.when(j.GetDueTime())
}

// when says how long ago a time was, or how far ahead it is.
func (a *app) when(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return screen.When(t.AsTime(), a.now().Truncate(time.Millisecond))
}

func typeName(t *redrivev1.JobType) string {
	if t == nil {
		return ""
	}
	return clean(t.GetWorkflow() + "/" + t.GetStep())
}
