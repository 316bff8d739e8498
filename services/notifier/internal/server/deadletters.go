package server

import (
	"context"
	"strconv"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/wire"
)

// GetDeadLetter implements redrivev1.NotifierServiceServer.
func (s *Server) GetDeadLetter(ctx context.Context, req *redrivev1.GetDeadLetterRequest) (*redrivev1.DeadLetter, error) {
	sequence, err := wire.ParseDeadLetter("name", req.GetName())
	if err != nil {
		return nil, err
	}
	d, err := s.bus.DeadLetter(ctx, sequence)
	if err != nil {
		return nil, err
	}
	out := wire.DeadLetter(d)
	out.Data = d.Event.Data
	return out, nil
}

// ListDeadLetters implements redrivev1.NotifierServiceServer.
func (s *Server) ListDeadLetters(ctx context.Context, req *redrivev1.ListDeadLettersRequest) (*redrivev1.ListDeadLettersResponse, error) {
	page, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "deadLetters")
	if err != nil {
		return nil, err
	}
	var before uint64
	if page.After() != "" {
		if before, err = strconv.ParseUint(page.After(), 10, 64); err != nil {
			return nil, errs.Field("page_token", "is not the next_page_token of a page of dead letters")
		}
	}
	letters, err := s.bus.DeadLetters(ctx, before, page.Limit())
	if err != nil {
		return nil, err
	}
	out := &redrivev1.ListDeadLettersResponse{}
	for _, d := range letters {
		out.DeadLetters = append(out.DeadLetters, wire.DeadLetter(d))
	}
	if n := len(letters); n == page.Limit() {
		out.NextPageToken = page.Token(strconv.FormatUint(letters[n-1].Sequence, 10))
	}
	return out, nil
}

// ReemitDeadLetter implements redrivev1.NotifierServiceServer.
func (s *Server) ReemitDeadLetter(ctx context.Context, req *redrivev1.ReemitDeadLetterRequest) (*redrivev1.DeadLetter, error) {
	sequence, err := wire.ParseDeadLetter("name", req.GetName())
	if err != nil {
		return nil, err
	}
	d, err := s.bus.DeadLetter(ctx, sequence)
	if err != nil {
		return nil, err
	}
	if err := s.bus.Reemit(ctx, sequence); err != nil {
		return nil, err
	}
	return wire.DeadLetter(d), nil
}
