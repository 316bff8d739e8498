package command

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func alertResource() resource[*redrivev1.Alert] {
	return resource[*redrivev1.Alert]{
		one: "alert", many: "alerts",
		get: func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Alert, error) {
			return redrivev1.NewNotifierServiceClient(conn).GetAlert(ctx, &redrivev1.GetAlertRequest{Name: name})
		},
		filters: func(cmd *cobra.Command) pageOf[*redrivev1.Alert] {
			state := addEnum(cmd, "state", "only alerts in this state", redrivev1.Alert_State(0))
			job := cmd.Flags().String("job", "", "only alerts of this job")
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.Alert, string, error) {
				r, err := redrivev1.NewNotifierServiceClient(conn).ListAlerts(ctx, &redrivev1.ListAlertsRequest{
					PageSize: size, PageToken: token, State: redrivev1.Alert_State(state.number), Job: jobFilter(*job),
				})
				return r.GetAlerts(), r.GetNextPageToken(), err
			}
		},
		heading: []string{"NAME", "SEVERITY", "STATE", "JOB", "CLASS", "UPDATED", "SUMMARY"},
		row: func(a *app, al *redrivev1.Alert) []string {
			return []string{
				al.GetName(), severity(a.out, al), screen.Name(al.GetState()), al.GetJob(), clean(al.GetClass()), a.when(al.GetUpdateTime()), clean(al.GetSummary()),
			}
		},
		show: (*app).showAlert,
	}
}

func (a *app) alerts() *cobra.Command {
	r := alertResource()
	return family("alerts", "List alerts, take them in hand and close them", r.listCommand(a), r.getCommand(a), a.alertAck(r), a.alertResolve(r))
}

func (a *app) alertAck(r resource[*redrivev1.Alert]) *cobra.Command {
	var by string
	cmd := r.change(a, "ack", "Say that you have an alert in hand", "", byFlag(&by),
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Alert, error) {
			return redrivev1.NewNotifierServiceClient(conn).AcknowledgeAlert(ctx, &redrivev1.AcknowledgeAlertRequest{Name: name, By: by})
		},
		func(al *redrivev1.Alert) string {
			return fmt.Sprintf("%s is in the hands of %s", al.GetName(), clean(al.GetAcknowledgedBy()))
		})
	cmd.Aliases = []string{"acknowledge"}
	return cmd
}

func (a *app) alertResolve(r resource[*redrivev1.Alert]) *cobra.Command {
	var by string
	return r.change(a, "resolve", "Close an alert", "", byFlag(&by),
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.Alert, error) {
			return redrivev1.NewNotifierServiceClient(conn).ResolveAlert(ctx, &redrivev1.ResolveAlertRequest{Name: name, By: by})
		},
		func(al *redrivev1.Alert) string { return al.GetName() + " is resolved" })
}

func byFlag(by *string) func(cmd *cobra.Command) {
	return func(cmd *cobra.Command) {
		cmd.Flags().StringVar(by, "by", me(), "who says so")
	}
}

func (a *app) showAlert(al *redrivev1.Alert) error {
	if err := a.fields(
		"name", a.out.Strong(al.GetName()),
		"severity", severity(a.out, al),
		"state", screen.Name(al.GetState()),
		"what", clean(al.GetSummary()),
		"job", al.GetJob()+", attempt "+strconv.Itoa(int(al.GetAttempt())),
		"type", typeName(al.GetType()),
		"owner", clean(al.GetOwner()),
		"class", clean(al.GetClass()),
		"failure", al.GetFailure(),
		"redrive did", clean(al.GetAction()),
		"next attempt", a.when(al.GetNextRetryTime()),
		"safe to retry", clean(al.GetSafeToRetry()),
		"what to do", clean(al.GetRunbook()),
		"in hand", clean(al.GetAcknowledgedBy()),
		"since", a.when(al.GetCreateTime()),
		"resolved", a.when(al.GetResolveTime()),
	); err != nil {
		return err
	}
	if len(al.GetExcerpt()) > 0 {
		a.heading("Log")
		a.excerpt(al.GetExcerpt())
	}
	if len(al.GetDeliveries()) == 0 {
		return nil
	}
	rows := make([][]string, len(al.GetDeliveries()))
	for i, d := range al.GetDeliveries() {
		rows[i] = []string{clean(d.GetReceiver()), d.GetAction(), screen.Name(d.GetState()), strconv.Itoa(int(d.GetTries())), a.when(d.GetUpdateTime()), clean(d.GetError())}
	}
	a.gap()
	return a.out.Table(a.stdout, []string{"RECEIVER", "ACTION", "STATE", "TRIES", "UPDATED", "ERROR"}, rows)
}

func severity(s screen.Style, al *redrivev1.Alert) string {
	name := screen.Name(al.GetSeverity())
	if al.GetState() == redrivev1.Alert_STATE_RESOLVED {
		return s.Faint(name)
	}
	switch al.GetSeverity() {
	case redrivev1.Alert_SEVERITY_PAGE:
		return s.Bad(name)
	case redrivev1.Alert_SEVERITY_WARNING:
		return s.Warn(name)
	default:
		return name
	}
}
