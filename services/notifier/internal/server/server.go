// Package server translates the calls of NotifierService.
package server

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger"
	"github.com/redrive-io/redrive/services/notifier/internal/store"
	"github.com/redrive-io/redrive/services/notifier/internal/wire"
)

// Server implements redrivev1.NotifierServiceServer.
type Server struct {
	redrivev1.UnimplementedNotifierServiceServer
	ledger *ledger.Ledger
	bus    *bus.Bus
}

// New returns a server that answers from l, and with the dead letters of b.
func New(l *ledger.Ledger, b *bus.Bus) *Server { return &Server{ledger: l, bus: b} }

var _ redrivev1.NotifierServiceServer = (*Server)(nil)

// GetAlert implements redrivev1.NotifierServiceServer.
func (s *Server) GetAlert(ctx context.Context, req *redrivev1.GetAlertRequest) (*redrivev1.Alert, error) {
	id, err := wire.ParseName("name", req.GetName())
	if err != nil {
		return nil, err
	}
	a, lanes, err := s.ledger.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	out := wire.Alert(a)
	out.Deliveries = wire.Deliveries(lanes)
	return out, nil
}

// ListAlerts implements redrivev1.NotifierServiceServer.
func (s *Server) ListAlerts(ctx context.Context, req *redrivev1.ListAlertsRequest) (*redrivev1.ListAlertsResponse, error) {
	if _, known := redrivev1.Alert_State_name[int32(req.GetState())]; !known {
		return nil, errs.Field("state", "%d is no state of an alert", req.GetState())
	}
	if len(req.GetJob()) > alert.MaxName {
		return nil, errs.Field("job", "has %d bytes; the name of a job, such as jobs/etl, has at most %d", len(req.GetJob()), alert.MaxName)
	}
	page, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "alerts", req.GetState().String(), req.GetJob())
	if err != nil {
		return nil, err
	}
	alerts, next, err := s.ledger.List(ctx, store.Filter{State: alert.State(req.GetState()), Job: req.GetJob()}, page)
	if err != nil {
		return nil, err
	}
	out := &redrivev1.ListAlertsResponse{NextPageToken: next}
	for _, a := range alerts {
		out.Alerts = append(out.Alerts, wire.Alert(a))
	}
	return out, nil
}

// AcknowledgeAlert implements redrivev1.NotifierServiceServer.
func (s *Server) AcknowledgeAlert(ctx context.Context, req *redrivev1.AcknowledgeAlertRequest) (*redrivev1.Alert, error) {
	return change(ctx, req.GetName(), req.GetBy(), s.ledger.Acknowledge)
}

// ResolveAlert implements redrivev1.NotifierServiceServer.
func (s *Server) ResolveAlert(ctx context.Context, req *redrivev1.ResolveAlertRequest) (*redrivev1.Alert, error) {
	return change(ctx, req.GetName(), req.GetBy(), s.ledger.Resolve)
}

func change(ctx context.Context, name, by string, do func(ctx context.Context, id, by string, now time.Time) (alert.Alert, error)) (*redrivev1.Alert, error) {
	id, err := wire.ParseName("name", name)
	if err != nil {
		return nil, err
	}
	if len(by) > alert.MaxName {
		return nil, errs.Field("by", "has %d bytes; at most %d are allowed", len(by), alert.MaxName)
	}
	a, err := do(ctx, id, by, time.Now())
	if err != nil {
		return nil, err
	}
	return wire.Alert(a), nil
}
