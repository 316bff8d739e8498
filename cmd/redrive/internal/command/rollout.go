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

func modelResource() resource[*redrivev1.Model] {
	return resource[*redrivev1.Model]{
		one: "model", many: "models",
		get: func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Model, error) {
			return redrivev1.NewRecommenderServiceClient(conn).GetModel(ctx, &redrivev1.GetModelRequest{Name: name})
		},
		filters: func(*cobra.Command) pageOf[*redrivev1.Model] {
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.Model, string, error) {
				r, err := redrivev1.NewRecommenderServiceClient(conn).ListModels(ctx, &redrivev1.ListModelsRequest{PageSize: size, PageToken: token})
				return r.GetModels(), r.GetNextPageToken(), err
			}
		},
		heading: []string{"NAME", "STATE", "MADE", "PROMOTED", "JUDGED ON", "BRIER", "AUDIT"},
		row: func(a *app, m *redrivev1.Model) []string {
			judged, brier := "", ""
			if n := m.GetAudit().GetRecords(); n > 0 {
				judged, brier = screen.Count(n, "record"), fmt.Sprintf("%.3f", m.GetAudit().GetBrier())
			}
			return []string{m.GetName(), screen.Name(m.GetState()), a.when(m.GetCreateTime()), a.when(m.GetPromoteTime()), judged, brier, auditOf(m)}
		},
		show: (*app).showModel,
	}
}

// auditOf says how an audit ended, in a few words.
func auditOf(m *redrivev1.Model) string {
	switch {
	case m.GetAudit() == nil:
		return ""
	case m.GetAudit().GetPassed():
		return "passed"
	}
	for _, f := range m.GetAudit().GetFindings() {
		if f.GetFatal() {
			return "failed: " + clean(f.GetMessage())
		}
	}
	return "failed"
}

func (a *app) models() *cobra.Command {
	r := modelResource()
	list := r.listCommand(a)
	list.Long = `List the models of the recommender, newest first, and which one serves. A model is
what is learnt of all job types together; docs/models.md says of what and how.

  redrive models list
  redrive models get serving`
	return family("models", "Train, judge and choose the model that the recommender answers with",
		list, r.getCommand(a), a.modelTrain(), a.modelPromote(r), a.modelRollback(), a.modelDiff(), a.modelDrift())
}

func (a *app) modelPromote(r resource[*redrivev1.Model]) *cobra.Command {
	var reason string
	var force bool
	return r.change(a, "promote", "Make a model serve",
		"Make a model serve, on every replica within seconds. One that did not pass its audit\nserves by --force alone.\n\n  redrive models promote 3f2a90c1d4e5b687 --reason \"calibrated on the new cluster\"",
		func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
			cmd.Flags().BoolVar(&force, "force", false, "although its audit failed")
		},
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Model, error) {
			return redrivev1.NewRecommenderServiceClient(conn).PromoteModel(ctx, &redrivev1.PromoteModelRequest{Name: name, Reason: reason, Force: force})
		}, serves)
}

func serves(m *redrivev1.Model) string { return m.GetName() + " serves" }

func (a *app) modelRollback() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rollback", Short: "Make the model serve that did so before", Args: cobra.NoArgs,
		Long: "Make the model serve that did so before the present one, on every replica within\nseconds. Again, it goes back further. Then trainings make no model serve until one\nis promoted.\n\n  redrive models rollback --reason \"too many retries given up\"",
	}
	f := addFormat(cmd)
	reason := cmd.Flags().String("reason", "", "why, for the record")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		m, err := redrivev1.NewRecommenderServiceClient(conn).RollbackModel(cmd.Context(), &redrivev1.RollbackModelRequest{Reason: *reason})
		if err != nil {
			return err
		}
		if *f != "table" {
			return f.write(a.stdout, m)
		}
		a.say("Trainings make no other model serve until one is promoted: redrive models promote, or redrive models train --promote.")
		_, err = fmt.Fprintln(a.stdout, serves(m))
		return err
	}
	return cmd
}

func (a *app) modelTrain() *cobra.Command {
	cmd := &cobra.Command{
		Use: "train", Short: "Train a model on the training records, and audit it", Args: cobra.NoArgs,
		Long: `Train a model on what was recorded since the model that serves was trained, audit
it on the newest records, and wait for the end. A model that passes serves by
itself, unless the cost policy says hold_models or somebody rolled back. The same
happens every day, once there are 100 records. While another training runs, it is
the end of that one that is waited for. The exit status is 1 when the training or
the audit failed.

  redrive models train
  redrive models train --full --promote --reason "after the move"`,
	}
	f := addFormat(cmd)
	var req redrivev1.TrainModelRequest
	cmd.Flags().BoolVar(&req.Full, "full", false, "begin from nothing, on all records")
	cmd.Flags().BoolVar(&req.Promote, "promote", false, "make it serve when it passes, whatever the settings say")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for the record")
	detach := cmd.Flags().Bool("detach", false, "do not wait for the end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		client := redrivev1.NewRecommenderServiceClient(conn)
		t, err := client.TrainModel(cmd.Context(), &req)
		if err != nil {
			return err
		}
		if t.GetFull() != req.GetFull() || t.GetPromote() != req.GetPromote() || t.GetReason() != req.GetReason() {
			a.say("%s runs already, and another one can begin when it has ended.", t.GetName())
		}
		var made *redrivev1.Model
		if !*detach {
			if t, made, err = a.trained(cmd.Context(), client, t); err != nil {
				return err
			}
		}
		if *f == "table" {
			err = a.showTraining(t, made)
		} else {
			err = f.write(a.stdout, t)
		}
		if err == nil && (t.GetState() == redrivev1.Training_STATE_FAILED || made.GetAudit() != nil && !made.GetAudit().GetPassed()) {
			err = errNegative
		}
		return err
	}
	return cmd
}

// trained waits for the end of a training and returns the model that it made; nil
// when it made none.
func (a *app) trained(ctx context.Context, client redrivev1.RecommenderServiceClient, t *redrivev1.Training) (*redrivev1.Training, *redrivev1.Model, error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for t.GetEndTime() == nil {
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-tick.C:
		}
		var err error
		if t, err = client.GetTraining(ctx, &redrivev1.GetTrainingRequest{Name: t.GetName()}); err != nil {
			return nil, nil, err
		}
	}
	if t.GetState() != redrivev1.Training_STATE_DONE {
		return t, nil, nil
	}
	made, err := client.GetModel(ctx, &redrivev1.GetModelRequest{Name: t.GetModel()})
	return t, made, err
}

// showTraining shows a training and, after its end, what became of the model that
// it made.
func (a *app) showTraining(t *redrivev1.Training, made *redrivev1.Model) error {
	serving := ""
	switch made.GetState() {
	case redrivev1.Model_STATE_SERVING:
		serving = "yes"
	case redrivev1.Model_STATE_READY, redrivev1.Model_STATE_RETIRED:
		serving = "when it is promoted: redrive models promote " + made.GetName()
	case redrivev1.Model_STATE_REJECTED:
		serving = "no"
	}
	from := "the model that served"
	if t.GetFull() {
		from = "nothing"
	}
	return a.fields(
		"training", a.out.Strong(t.GetName()), "state", screen.Name(t.GetState()), "began from", from, "records", strconv.FormatInt(t.GetRecords(), 10),
		"model", t.GetModel(), "audit", auditOf(made), "serves", serving, "error", clean(t.GetError()), "reason", clean(t.GetReason()),
	)
}

func (a *app) modelDiff() *cobra.Command {
	cmd := &cobra.Command{
		Use: "diff MODEL [BEFORE]", Short: "Say what two models answer otherwise", Args: takes(1, 2),
		Long: "Say what a model answers otherwise than another one, or than the one that serves.\n\n  redrive models diff 3f2a90c1d4e5b687\n  redrive models diff serving builtin",
	}
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		req := &redrivev1.DiffModelsRequest{Name: nameOf("models", args[0])}
		if len(args) == 2 {
			req.Against = nameOf("models", args[1])
		}
		d, err := redrivev1.NewRecommenderServiceClient(conn).DiffModels(cmd.Context(), req)
		if err != nil {
			return err
		}
		if *f != "table" {
			return f.write(a.stdout, d)
		}
		if len(d.GetDifferences()) == 0 {
			a.say("They answer the same.")
			return nil
		}
		rows := make([][]string, len(d.GetDifferences()))
		for i, one := range d.GetDifferences() {
			rows[i] = []string{clean(one.GetWhat()), one.GetBefore(), one.GetAfter()}
		}
		return a.out.Table(a.stdout, []string{"WHAT", "BEFORE", "AFTER"}, rows)
	}
	return cmd
}
