// Package server translates the calls of ConfigService.
package server

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc/internal/ledger"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/wire"
)

// Server implements redrivev1.ConfigServiceServer.
type Server struct {
	redrivev1.UnimplementedConfigServiceServer
	ledger *ledger.Ledger
}

// New returns a server that answers from l.
func New(l *ledger.Ledger) *Server { return &Server{ledger: l} }

var _ redrivev1.ConfigServiceServer = (*Server)(nil)

// CreatePatch implements redrivev1.ConfigServiceServer.
func (s *Server) CreatePatch(ctx context.Context, req *redrivev1.CreatePatchRequest) (*redrivev1.Patch, error) {
	d, err := draft(req)
	if err != nil {
		return nil, err
	}
	return answer(s.ledger.Create(ctx, d, req.GetRequestId(), req.GetValidateOnly(), time.Now()))
}

// GetPatch implements redrivev1.ConfigServiceServer.
func (s *Server) GetPatch(ctx context.Context, req *redrivev1.GetPatchRequest) (*redrivev1.Patch, error) {
	id, err := patch.ParseName("name", req.GetName())
	if err != nil {
		return nil, err
	}
	return answer(s.ledger.Get(ctx, id, time.Now()))
}

// ListPatches implements redrivev1.ConfigServiceServer.
func (s *Server) ListPatches(ctx context.Context, req *redrivev1.ListPatchesRequest) (*redrivev1.ListPatchesResponse, error) {
	f, err := filter(req)
	if err != nil {
		return nil, err
	}
	page, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "patches", f.State.String(), f.Job, f.Workflow)
	if err != nil {
		return nil, err
	}
	patches, next, err := s.ledger.List(ctx, f, page, time.Now())
	if err != nil {
		return nil, err
	}
	list, err := answers(patches)
	return &redrivev1.ListPatchesResponse{Patches: list, NextPageToken: next}, err
}

// PromotePatch implements redrivev1.ConfigServiceServer.
func (s *Server) PromotePatch(ctx context.Context, req *redrivev1.PromotePatchRequest) (*redrivev1.Patch, error) {
	id, err := patch.ParseName("name", req.GetName())
	if err != nil {
		return nil, err
	}
	ttl, err := lifetime(req.GetTtl())
	if err != nil {
		return nil, err
	}
	return answer(s.ledger.Promote(ctx, id, req.GetReason(), ttl, time.Now()))
}

// RevokePatch implements redrivev1.ConfigServiceServer.
func (s *Server) RevokePatch(ctx context.Context, req *redrivev1.RevokePatchRequest) (*redrivev1.Patch, error) {
	return changed(ctx, s.ledger.Revoke, req)
}

// ApprovePatch implements redrivev1.ConfigServiceServer.
func (s *Server) ApprovePatch(ctx context.Context, req *redrivev1.ApprovePatchRequest) (*redrivev1.Patch, error) {
	return changed(ctx, s.ledger.Approve, req)
}

// RejectPatch implements redrivev1.ConfigServiceServer.
func (s *Server) RejectPatch(ctx context.Context, req *redrivev1.RejectPatchRequest) (*redrivev1.Patch, error) {
	return changed(ctx, s.ledger.Reject, req)
}

// Resolve implements redrivev1.ConfigServiceServer.
func (s *Server) Resolve(ctx context.Context, req *redrivev1.ResolveRequest) (*redrivev1.ResolveResponse, error) {
	t, err := targetOf(req)
	if err != nil {
		return nil, err
	}
	original, err := wire.Config("config", req.GetConfig())
	if err != nil {
		return nil, err
	}
	r, err := s.ledger.Resolve(ctx, t, original, time.Now())
	if err != nil {
		return nil, err
	}
	return wire.Resolution(r)
}

// answering is a request that says what becomes of one patch.
type answering interface {
	GetName() string
	GetReason() string
	GetEtag() string
}

func changed(ctx context.Context, change func(ctx context.Context, id, reason string, revision int64, now time.Time) (patch.Patch, error), req answering) (*redrivev1.Patch, error) {
	id, err := patch.ParseName("name", req.GetName())
	if err != nil {
		return nil, err
	}
	revision, err := revisionOf(req.GetEtag())
	if err != nil {
		return nil, err
	}
	return answer(change(ctx, id, req.GetReason(), revision, time.Now()))
}

func answer(p patch.Patch, err error) (*redrivev1.Patch, error) {
	if err != nil {
		return nil, err
	}
	return wire.Patch(p)
}

func answers(patches []patch.Patch) ([]*redrivev1.Patch, error) {
	list := make([]*redrivev1.Patch, 0, len(patches))
	for _, p := range patches {
		out, err := wire.Patch(p)
		if err != nil {
			return nil, err
		}
		list = append(list, out)
	}
	return list, nil
}
