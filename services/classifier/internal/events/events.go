// Package events translates what the bus says for the classifier.
package events

import (
	"context"

	"github.com/redrive-io/redrive/pkg/bus"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

// Handler handles the classifier's events.
type Handler struct {
	driver *record.Driver
	book   *book.Book
}

// New returns a handler that drives failures by d and keeps b fresh.
func New(d *record.Driver, b *book.Book) *Handler { return &Handler{d, b} }

// AttemptFailed classifies a failed attempt.
func (h *Handler) AttemptFailed(ctx context.Context, e bus.Event) error {
	var m redrivev1.AttemptFailed
	if err := e.Decode(&m); err != nil {
		return err
	}
	r, err := wire.Report(&m)
	if err != nil {
		return err
	}
	return h.driver.Hear(ctx, r)
}

// RuleChanged reads the rules again: any replica may have changed one.
func (h *Handler) RuleChanged(ctx context.Context, e bus.Event) error {
	var m redrivev1.RuleChanged
	if err := e.Decode(&m); err != nil {
		return err
	}
	return h.book.Reload(ctx)
}
