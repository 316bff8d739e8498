package bus

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Object is one object of an object store of NATS, as it is being read.
type Object struct {
	// Body is closed by the reader. Reading ends with the context that the object
	// was asked for with.
	Body     io.ReadCloser
	Size     int64
	Modified time.Time
}

// Object opens an object. A bucket or an object that is not there is
// errs.NotFound.
func (b *Bus) Object(ctx context.Context, bucket, name string) (Object, error) {
	store, err := b.js.ObjectStore(ctx, bucket)
	if err != nil {
		return Object{}, objectError(err, "bucket", bucket)
	}
	o, err := store.Get(ctx, name)
	if err != nil {
		return Object{}, objectError(err, "object", name)
	}
	info, err := o.Info()
	if err != nil {
		_ = o.Close() // it was only opened
		return Object{}, objectError(err, "object", name)
	}
	return Object{o, int64(info.Size), info.ModTime}, nil
}

func objectError(err error, what, name string) error {
	switch {
	case errors.Is(err, jetstream.ErrBucketNotFound), errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrObjectNotFound):
		return errs.New(errs.NotFound, "the %s %.200q does not exist", what, name)
	case errors.Is(err, jetstream.ErrInvalidStoreName), errors.Is(err, jetstream.ErrBadObjectMeta), errors.Is(err, jetstream.ErrNameRequired):
		return errs.New(errs.Invalid, "%.200q is no name of a %s", name, what)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return callError(err, "read the %s %.200q", what, name)
}
