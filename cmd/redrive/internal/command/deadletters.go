package command

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func deadLetterResource() resource[*redrivev1.DeadLetter] {
	return resource[*redrivev1.DeadLetter]{
		one: "name", many: "dead letters", names: "deadLetters",
		get: func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.DeadLetter, error) {
			return redrivev1.NewNotifierServiceClient(conn).GetDeadLetter(ctx, &redrivev1.GetDeadLetterRequest{Name: name})
		},
		filters: func(*cobra.Command) pageOf[*redrivev1.DeadLetter] {
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.DeadLetter, string, error) {
				r, err := redrivev1.NewNotifierServiceClient(conn).ListDeadLetters(ctx, &redrivev1.ListDeadLettersRequest{PageSize: size, PageToken: token})
				return r.GetDeadLetters(), r.GetNextPageToken(), err
			}
		},
		heading: []string{"NAME", "CONSUMER", "EVENT", "OF", "GIVEN UP", "REASON"},
		row: func(a *app, d *redrivev1.DeadLetter) []string {
			return []string{
				d.GetName(), clean(d.GetConsumer()), clean(d.GetEventType()), clean(d.GetEventSubject()), a.when(d.GetCreateTime()), clean(d.GetReason()),
			}
		},
		show: (*app).showDeadLetter,
	}
}

func (a *app) deadLetters() *cobra.Command {
	r := deadLetterResource()
	reemit := r.change(a, "reemit", "Send the event of a dead letter again",
		"Send the event of a dead letter again, to all services that hear its type, and remove\nthe dead letter. Services that had handled it know it and do nothing.", nil,
		func(ctx context.Context, conn *grpc.ClientConn, name string) (*redrivev1.DeadLetter, error) {
			return redrivev1.NewNotifierServiceClient(conn).ReemitDeadLetter(ctx, &redrivev1.ReemitDeadLetterRequest{Name: name})
		},
		func(d *redrivev1.DeadLetter) string {
			return fmt.Sprintf("%s %s is sent again", clean(d.GetEventType()), clean(d.GetEventId()))
		})
	return family("deadletters", "List events that no service could handle, and send them again", r.listCommand(a), r.getCommand(a), reemit)
}

func (a *app) showDeadLetter(d *redrivev1.DeadLetter) error {
	if err := a.fields(
		"name", a.out.Strong(d.GetName()),
		"given up by", clean(d.GetConsumer()),
		"when", a.when(d.GetCreateTime()),
		"after", strconv.Itoa(int(d.GetDeliveries()))+" deliveries",
		"reason", clean(d.GetReason()),
		"subject", clean(d.GetNatsSubject()),
		"event", clean(d.GetEventType()),
		"id", clean(d.GetEventId()),
		"source", clean(d.GetEventSource()),
		"of", clean(d.GetEventSubject()),
		"told", a.when(d.GetEventTime()),
	); err != nil {
		return err
	}
	if len(d.GetData()) == 0 {
		return nil
	}
	if !json.Valid(d.GetData()) {
		return a.fields("payload", fmt.Sprintf("%d bytes of %s", len(d.GetData()), clean(d.GetContentType())))
	}
	a.heading("Payload")
	_, err := fmt.Fprintln(a.stdout, clean(string(d.GetData())))
	return err
}
