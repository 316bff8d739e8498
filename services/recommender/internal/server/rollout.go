package server

import (
	"context"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// ModelStore keeps models and trainings; what does not exist is errs.NotFound.
type ModelStore interface {
	rollout.Store
	// List returns a page of the models, newest first, and the cursor of the next.
	List(ctx context.Context, p docstore.Paging) ([]rollout.Model, string, error)
	Training(ctx context.Context, id string) (rollout.Training, error)
}

// Trainer begins trainings.
type Trainer interface {
	// Start begins a training, unless one runs: then that is what it returns.
	Start(ctx context.Context, t rollout.Training, now time.Time) (rollout.Training, error)
}

// Models answers the calls about models and trainings.
type Models struct {
	store   ModelStore
	trainer Trainer
}

// NewModels returns the part of a Server that is about models.
func NewModels(s ModelStore, t Trainer) *Models { return &Models{s, t} }

// maxReason bounds reasons, in bytes.
const maxReason = 1000

func checkReason(reason string) error {
	if len(reason) > maxReason {
		return errs.Field("reason", "has %d characters; at most %d are allowed", len(reason), maxReason)
	}
	return nil
}

// id reads the id of a resource name such as "models/builtin".
func id(field, name, prefix string) (string, error) {
	id, ok := strings.CutPrefix(name, prefix)
	if !ok || id == "" || len(id) > 64 || strings.ContainsAny(id, "/\x00") {
		return "", errs.Field(field, "%.80q is not %q with an id of at most 64 characters", name, prefix)
	}
	return id, nil
}

const (
	modelPrefix    = "models/"
	trainingPrefix = "trainings/"
	// serving stands for the model that serves.
	serving = "serving"
)

// TrainModel implements redrivev1.RecommenderServiceServer.
func (s *Models) TrainModel(ctx context.Context, req *redrivev1.TrainModelRequest) (*redrivev1.Training, error) {
	if err := checkReason(req.GetReason()); err != nil {
		return nil, err
	}
	if req.GetReason() == rollout.Scheduled {
		return nil, errs.Field("reason", "%q is what trainings of the schedule say; say something else", rollout.Scheduled)
	}
	t, err := s.trainer.Start(ctx, rollout.Training{Full: req.GetFull(), Promote: req.GetPromote(), Reason: req.GetReason()}, time.Now())
	if err != nil {
		return nil, err
	}
	return wire.Training(t), nil
}

// GetTraining implements redrivev1.RecommenderServiceServer.
func (s *Models) GetTraining(ctx context.Context, req *redrivev1.GetTrainingRequest) (*redrivev1.Training, error) {
	id, err := id("name", req.GetName(), trainingPrefix)
	if err != nil {
		return nil, err
	}
	t, err := s.store.Training(ctx, id)
	if err != nil {
		return nil, err
	}
	return wire.Training(t), nil
}

// ListModels implements redrivev1.RecommenderServiceServer.
func (s *Models) ListModels(ctx context.Context, req *redrivev1.ListModelsRequest) (*redrivev1.ListModelsResponse, error) {
	paging, err := docstore.NewPaging(req.GetPageSize(), req.GetPageToken(), "models")
	if err != nil {
		return nil, err
	}
	now, err := s.store.Serving(ctx)
	if err != nil {
		return nil, err
	}
	all, next, err := s.store.List(ctx, paging)
	if err != nil {
		return nil, err
	}
	answer := &redrivev1.ListModelsResponse{NextPageToken: paging.Token(next)}
	for _, m := range all {
		p := wire.Model(m, now.Name())
		p.Content = nil
		answer.Models = append(answer.Models, p)
	}
	return answer, nil
}

// GetModel implements redrivev1.RecommenderServiceServer.
func (s *Models) GetModel(ctx context.Context, req *redrivev1.GetModelRequest) (*redrivev1.Model, error) {
	m, now, err := s.model(ctx, "name", req.GetName())
	if err != nil {
		return nil, err
	}
	return wire.Model(m, now), nil
}

// model returns a model, and the name of the one that serves.
func (s *Models) model(ctx context.Context, field, name string) (m rollout.Model, now string, err error) {
	of, err := id(field, name, modelPrefix)
	if err != nil {
		return m, "", err
	}
	served, err := s.store.Serving(ctx)
	if err != nil {
		return m, "", err
	}
	if of == serving {
		of = served.Name()
	}
	m, err = s.store.Model(ctx, of)
	return m, served.Name(), err
}

// PromoteModel implements redrivev1.RecommenderServiceServer.
func (s *Models) PromoteModel(ctx context.Context, req *redrivev1.PromoteModelRequest) (*redrivev1.Model, error) {
	of, err := id("name", req.GetName(), modelPrefix)
	if err := errs.Fields(err, checkReason(req.GetReason())); err != nil {
		return nil, err
	}
	return changed(rollout.Promote(ctx, s.store, of, req.GetReason(), req.GetForce(), time.Now().UTC()))
}

// RollbackModel implements redrivev1.RecommenderServiceServer.
func (s *Models) RollbackModel(ctx context.Context, req *redrivev1.RollbackModelRequest) (*redrivev1.Model, error) {
	if err := checkReason(req.GetReason()); err != nil {
		return nil, err
	}
	return changed(rollout.Rollback(ctx, s.store, req.GetReason(), time.Now().UTC()))
}

// changed writes the model that serves now, without its content.
func changed(m rollout.Model, err error) (*redrivev1.Model, error) {
	if err != nil {
		return nil, err
	}
	p := wire.Model(m, m.Name)
	p.Content = nil
	return p, nil
}

// DiffModels implements redrivev1.RecommenderServiceServer.
func (s *Models) DiffModels(ctx context.Context, req *redrivev1.DiffModelsRequest) (*redrivev1.DiffModelsResponse, error) {
	against := req.GetAgainst()
	if against == "" {
		against = modelPrefix + serving
	}
	after, _, err := s.model(ctx, "name", req.GetName())
	if err != nil {
		return nil, err
	}
	before, _, err := s.model(ctx, "against", against)
	if err != nil {
		return nil, err
	}
	answer := &redrivev1.DiffModelsResponse{}
	for _, d := range rollout.Diff(before.Model, after.Model) {
		answer.Differences = append(answer.Differences, &redrivev1.ModelDifference{What: d.What, Before: d.Before, After: d.After})
	}
	return answer, nil
}
