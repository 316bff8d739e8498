package store

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

const (
	modelKind    = Service + ".trained"
	trainingKind = Service + ".training"
	servedKind   = Service + ".served"
	servedID     = "models"
	byCreated    = "created"
)

// Bounds of models and trainings.
const (
	// MaxModels is how many models are kept, the newest, and those that a rollback
	// can go back to.
	MaxModels = 100
	// MaxTrainings is how many trainings are kept, the newest.
	MaxTrainings = 50
)

// Outbox commits writes together with events.
type Outbox interface {
	Commit(ctx context.Context, events []bus.Event, writes ...docstore.Write) error
}

// Models keeps models under the name that their content gives them, the
// trainings that made them, and which one serves.
type Models struct {
	store     docstore.Store
	outbox    Outbox
	models    docstore.Collection[rollout.Model]
	trainings docstore.Collection[rollout.Training]
}

// NewModels returns the models in s. What is to be told of them goes through o.
func NewModels(s docstore.Store, o Outbox) *Models {
	return &Models{
		store: s, outbox: o,
		models: docstore.NewCollection(s, modelKind, docstore.Codec[rollout.Model]{
			Encode: func(m rollout.Model) ([]byte, error) { return marshal(wire.StoredModel(m)) },
			Decode: func(doc docstore.Doc) (rollout.Model, error) {
				var p redrivev1.Model
				err := proto.Unmarshal(doc.Value, &p)
				m := wire.StoredModelFromProto(&p)
				m.Revision = doc.Revision
				return m, err
			},
			Index: func(m rollout.Model) []docstore.Entry {
				return []docstore.Entry{{Name: byCreated, Value: docstore.TimeKey(m.Created)}}
			},
		}),
		trainings: docstore.NewCollection(s, trainingKind, docstore.Codec[rollout.Training]{
			Encode: func(t rollout.Training) ([]byte, error) { return marshal(wire.Training(t)) },
			Decode: func(doc docstore.Doc) (rollout.Training, error) {
				var p redrivev1.Training
				err := proto.Unmarshal(doc.Value, &p)
				t := wire.TrainingFromProto(&p)
				t.Revision = doc.Revision
				return t, err
			},
		}),
	}
}

func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// Model returns a model, the built-in one too; it is errs.NotFound when there is
// none of that name.
func (s *Models) Model(ctx context.Context, name string) (rollout.Model, error) {
	if name == model.BuiltinName {
		return rollout.Builtin(), nil
	}
	m, err := s.models.Get(ctx, name)
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.NotFound, "%s does not exist", rollout.Name(name))
	}
	return m, err
}

// List returns a page of the models, the newest first and the built-in one last.
func (s *Models) List(ctx context.Context, p docstore.Paging) ([]rollout.Model, string, error) {
	if p.After() == model.BuiltinName {
		return []rollout.Model{rollout.Builtin()}, "", nil
	}
	page, next, err := s.models.List(ctx, p.Query(docstore.Query{Index: byCreated, Descending: true}))
	if err != nil {
		return nil, "", err
	}
	switch {
	case next != "":
		return page, next, nil
	case len(page) == p.Limit():
		return page, model.BuiltinName, nil
	}
	return append(page, rollout.Builtin()), "", nil
}

// Serving returns which model serves.
func (s *Models) Serving(ctx context.Context) (rollout.Serving, error) {
	doc, err := s.store.Get(ctx, servedKind, servedID)
	if errs.Is(err, errs.NotFound) {
		return rollout.Serving{Revision: docstore.Absent}, nil
	}
	if err != nil {
		return rollout.Serving{}, fmt.Errorf("read which model serves: %w", err)
	}
	var p redrivev1.ServedModels
	if err := proto.Unmarshal(doc.Value, &p); err != nil {
		return rollout.Serving{}, errs.New(errs.Internal, "decode which model serves: %w", err)
	}
	return rollout.Serving{Names: p.GetModels(), Held: p.GetHeld(), Revision: doc.Revision}, nil
}

// Switch puts which model serves, and what is to be remembered of it. It is
// errs.Conflict when another one was made to serve meanwhile, or somebody else
// changed what is remembered.
func (s *Models) Switch(ctx context.Context, to rollout.Serving, m rollout.Model) error {
	writes, err := s.put(m, &to)
	if err != nil {
		return err
	}
	return s.store.Commit(ctx, writes...)
}

// put returns the writes of a model, as it was read and changed, and of which
// one serves.
func (s *Models) put(m rollout.Model, to *rollout.Serving) ([]docstore.Write, error) {
	var writes []docstore.Write
	if to != nil {
		value, err := marshal(&redrivev1.ServedModels{Models: to.Names, Held: to.Held})
		if err != nil {
			return nil, err
		}
		if value == nil {
			value = []byte{} // nil would delete
		}
		writes = append(writes, docstore.Write{Kind: servedKind, ID: servedID, Revision: to.Revision, Value: value})
	}
	if m.Name == model.BuiltinName {
		return writes, nil
	}
	w, err := s.models.Write(m.Name, m.Revision, m)
	return append(writes, w), err
}

// Named returns the name of a content.
func (s *Models) Named(c model.Content) (string, error) { return wire.ModelName(c) }

// Newest returns all trainings that are kept, newest first.
func (s *Models) Newest(ctx context.Context) ([]rollout.Training, error) {
	all, _, err := s.trainings.List(ctx, docstore.Query{Descending: true, Limit: MaxTrainings})
	return all, err
}

// Training returns a training, or errs.NotFound.
func (s *Models) Training(ctx context.Context, id string) (rollout.Training, error) {
	t, err := s.trainings.Get(ctx, id)
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.NotFound, "trainings/%s does not exist", id)
	}
	return t, err
}

// Put puts a training at its revision and returns it at the new one. One that
// failed is told of: both or nothing. It is errs.Conflict when another replica
// changed it meanwhile, or took the id of one that is new.
func (s *Models) Put(ctx context.Context, t rollout.Training) (rollout.Training, error) {
	w, err := s.trainings.Write(t.ID, t.Revision, t)
	if err != nil {
		return t, err
	}
	var events []bus.Event
	if t.State == rollout.Failed {
		told, err := wire.Failed(t)
		if err != nil {
			return t, err
		}
		events = append(events, told)
	}
	if err := s.outbox.Commit(ctx, events, w); err != nil {
		return t, err
	}
	t.Revision++
	return t, nil
}

// End puts the end of a training, the model that it made and, unless it is nil,
// which one serves from now on, and tells of the model's audit: all of it or
// nothing.
func (s *Models) End(ctx context.Context, t rollout.Training, m rollout.Model, to *rollout.Serving) error {
	writes, err := s.put(m, to)
	if err != nil {
		return err
	}
	w, err := s.trainings.Write(t.ID, t.Revision, t)
	if err != nil {
		return err
	}
	var events []bus.Event
	if m.Audit != nil {
		told, err := wire.Audited(rollout.Name(m.Name), "trainings/"+t.ID, *m.Audit, t.Ended)
		if err != nil {
			return err
		}
		events = append(events, told)
	}
	return s.outbox.Commit(ctx, events, append(writes, w)...)
}

// Purge deletes models beyond MaxModels and trainings beyond MaxTrainings. What
// serves and what a rollback can go back to stays.
func (s *Models) Purge(ctx context.Context) error {
	serving, err := s.Serving(ctx)
	if err != nil {
		return err
	}
	keep := func(id string) bool { return slices.Contains(serving.Names, id) }
	if err := s.purge(ctx, docstore.Query{Kind: modelKind, Index: byCreated}, MaxModels, keep); err != nil {
		return err
	}
	return s.purge(ctx, docstore.Query{Kind: trainingKind}, MaxTrainings, func(string) bool { return false })
}

func (s *Models) purge(ctx context.Context, q docstore.Query, most int, keep func(id string) bool) error {
	n, err := s.store.Count(ctx, q, 0)
	if err != nil || n <= most {
		return err
	}
	q.Limit = n - most
	page, err := s.store.List(ctx, q)
	if err != nil {
		return err
	}
	for _, doc := range page.Docs {
		if keep(doc.ID) {
			continue
		}
		// One that was changed since is a conflict, and stays.
		err := s.store.Commit(ctx, docstore.Write{Kind: q.Kind, ID: doc.ID, Revision: doc.Revision})
		if err != nil && !errs.Is(err, errs.Conflict) {
			return err
		}
	}
	return nil
}
