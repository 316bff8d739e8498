package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) rightsize() *cobra.Command {
	cmd := a.rightsizeList()
	cmd.Use, cmd.Aliases = "rightsize", nil
	cmd.Long += `

  redrive rightsize
  redrive rightsize --state proposed
  redrive patches approve patches/p1f0a33c27b5d --reason "ann: fine"`
	cmd.AddCommand(a.rightsizeList(), a.rightsizePropose())
	return cmd
}

func (a *app) rightsizeList() *cobra.Command {
	var last *redrivev1.ListRightsizingsResponse
	r := resource[*redrivev1.Rightsizing]{
		one: "right-sizing", many: "right-sizings", names: "rightsizings",
		filters: func(cmd *cobra.Command) pageOf[*redrivev1.Rightsizing] {
			state := addEnum(cmd, "state", "only in this state", redrivev1.Rightsizing_State(0))
			workflow := cmd.Flags().String("workflow", "", "only of this workflow")
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.Rightsizing, string, error) {
				resp, err := redrivev1.NewRecommenderServiceClient(conn).ListRightsizings(ctx, &redrivev1.ListRightsizingsRequest{
					PageSize: size, PageToken: token, State: redrivev1.Rightsizing_State(state.number), Workflow: *workflow,
				})
				last = resp
				return resp.GetRightsizings(), resp.GetNextPageToken(), err
			}
		},
		heading: []string{"TYPE", "STATE", "PART", "OWN", "HAS", "NEXT", "END", "A MONTH", "RISK", "RUNS", "PATCH", "WHY"},
		row:     rightsizeRow,
	}
	cmd := r.listCommand(a)
	cmd.Short = "List how much memory job types have and need, by the money that it saves"
	cmd.Long = `List job types whose runs succeed: how much memory they have, the next step, where
steps would end, and what that saves a month, the most first. RISK is the
probability that a run lacks memory, now and after the step. A step is a proposed
patch; "redrive patches approve" makes it apply, and the first failure that it
causes takes it back.`
	list := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := list(cmd, args)
		if err == nil && cmd.Flag("output").Value.String() == "table" {
			a.say("%s a month are proposed, and %s a month are saved by what applies.",
				screen.Dollars(last.GetProposedDollarsPerMonth()), screen.Dollars(last.GetAppliedDollarsPerMonth()))
		}
		return err
	}
	return cmd
}

func rightsizeRow(a *app, r *redrivev1.Rightsizing) []string {
	next, risk, patch, job := "", "", "", typeName(r.GetType())
	if e := r.GetType().GetEngine(); e != "process" {
		job += " (" + clean(e) + ")"
	}
	if s := r.GetSaving(); s != nil {
		next = screen.Bytes(r.GetNextBytes())
		risk = screen.Risk(s.GetFailProbabilityBefore()) + " → " + screen.Risk(s.GetFailProbabilityAfter())
	}
	if state := r.GetState(); state == redrivev1.Rightsizing_STATE_PROPOSED || state == redrivev1.Rightsizing_STATE_APPLIED {
		patch = r.GetPatch()
	}
	return []string{
		job, a.rightsizeState(r.GetState()), clean(r.GetPart()), bytesOf(r.GetOwnBytes()), bytesOf(r.GetPresentBytes()), next, bytesOf(r.GetTargetBytes()),
		screen.Dollars(r.GetSaving().GetDollarsPerMonth() + r.GetAppliedDollarsPerMonth()), risk,
		strconv.Itoa(int(r.GetRuns())), patch, clean(r.GetReason()),
	}
}

func (a *app) rightsizeState(s redrivev1.Rightsizing_State) string {
	switch s {
	case redrivev1.Rightsizing_STATE_PROPOSED:
		return a.out.Strong(screen.Name(s))
	case redrivev1.Rightsizing_STATE_APPLIED, redrivev1.Rightsizing_STATE_CONVERGED:
		return a.out.Good(screen.Name(s))
	}
	return a.out.Faint(screen.Name(s))
}

func (a *app) rightsizePropose() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "propose WORKFLOW/STEP",
		Short: "Propose the next step of a job type now",
		Long: `Propose the next step of a job type now, instead of at the next look, which is at
most ten minutes away. Where there is none to propose it says why.

  redrive rightsize propose sales/load
  redrive rightsize propose sales/sum --engine spark`,
		Args: takes(1, 1),
	}
	engine := cmd.Flags().String("engine", "process", "the engine profile: process, jvm or spark")
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		workflow, step, ok := strings.Cut(args[0], "/")
		if !ok {
			return usagef("%q is not WORKFLOW/STEP", args[0])
		}
		conn, err := a.dial()
		if err != nil {
			return err
		}
		r, err := redrivev1.NewRecommenderServiceClient(conn).ProposeRightsizing(cmd.Context(), &redrivev1.ProposeRightsizingRequest{
			Type: &redrivev1.JobType{Workflow: workflow, Step: step, Engine: *engine},
		})
		if err != nil {
			return err
		}
		if *f != "table" {
			return f.write(a.stdout, r)
		}
		_, err = fmt.Fprintf(a.stdout, "%s is %s: %s\n", r.GetPatch(), screen.Name(r.GetState()), clean(r.GetReason()))
		return err
	}
	return cmd
}
