// Package outbox makes a change of state and the events about it one thing: the
// documents and the events are put in one commit, and a relay publishes the
// events and then deletes them. A crash anywhere repeats an event and loses
// none.
package outbox

import (
	"context"
	"log/slog"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

// Publisher sends events; nil means that all are durable. *bus.Bus is one. It
// is errs.Unavailable when the events may be sent again later.
type Publisher interface {
	Publish(ctx context.Context, events ...bus.Event) error
}

// Outbox is the outbox of one service: documents of kind "<service>.outbox".
type Outbox struct{}

// New returns the outbox of a service. Run must run for anything to be sent.
func New(store docstore.Store, pub Publisher, service string, log *slog.Logger) *Outbox {
	return &Outbox{}
}

// Commit puts the writes and the events in one commit and nudges the relay.
// When it returns nil, both are durable. Its errors are those of Store.Commit:
// errs.Conflict when a document has another revision than its write asks for,
// errs.Invalid for an event that could never be sent; and errs.Unavailable
// while the backlog is full.
func (o *Outbox) Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error {
	return errs.New(errs.Unavailable, "outbox is not open")
}

// Run is the relay. It returns nil when ctx is done, after the batch in flight.
func (o *Outbox) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Backlog returns how many events wait to be sent.
func (o *Outbox) Backlog(ctx context.Context) (int, error) {
	return 0, errs.New(errs.Unavailable, "outbox is not open")
}
