package dispatch

import (
	"context"

	"github.com/redrive-io/redrive/pkg/trace"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

// begin begins the span of one try. What is due is found in the store, maybe by
// another process than the one that put it there, so it is a trace of its own.
func begin(ctx context.Context, receiver string, n alert.Notification) (context.Context, trace.Span) {
	ctx, span := trace.Begin(ctx, "notify", trace.How{Kind: trace.Client, Root: true})
	span.Set(
		trace.Text("redrive.receiver", receiver), trace.Text("redrive.alert", n.Alert.ID), trace.Text("redrive.job", n.Alert.Job),
		trace.Text("redrive.class", string(n.Alert.Class)), trace.Text("redrive.action", string(n.Action)),
	)
	return ctx, span
}
