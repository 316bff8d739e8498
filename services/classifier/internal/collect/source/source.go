// Package source is what the collector and its drivers agree on: how a log is
// named, found and read in parts. Each driver is a package beside this one.
package source

import (
	"context"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
)

// Driver finds the logs of one kind of place, such as an object store. Its
// methods may be called concurrently.
type Driver interface {
	// Find returns the logs that ref names, without reading them. A place that
	// the operator has not allowed is errs.PermissionDenied, a log that is not
	// there (yet) is errs.NotFound; any error says what could not be done to a
	// person, without secrets.
	Find(ctx context.Context, ref Ref) (Found, error)
}

// Ref names logs.
type Ref struct {
	URL *url.URL
	// Pattern says that a "*" in the last part of the path stands for anything:
	// the URL is made of an operator's template. A "*" in a URL that a failure
	// came with is a star.
	Pattern bool
}

// Found is what a reference leads to.
type Found struct {
	// Logs are at most MaxFound, the ones that say most first.
	Logs []Log
	// Facts are what the place knows of the end of the attempt, such as its exit
	// code, in an evidence without logs. They fill what the evidence lacks.
	Facts failure.Evidence
	// Note says what is missing although the rest could be found.
	Note string
}

// MaxFound bounds the logs that one reference leads to.
const MaxFound = 8

// Log is one log that can be read.
type Log struct {
	// Source is what kind of log it is, such as "driver"; when empty, it is the
	// one that was referred to.
	Source string
	// URI names this log alone; when empty, the reference does.
	URI string
	// Aside says that the log is beside the one that was referred to, such as the
	// events of a pod, and never in its place.
	Aside bool
	// Growing says that the place knows that more will come.
	Growing bool
	// Read begins to read it. It may be called several times, one after another.
	Read func(ctx context.Context, r Range) (Chunk, error)
	// Trim takes out of a window what the place wrote around the log; nil takes
	// out nothing.
	Trim func(text string) string
}

// Range is a part of a log.
type Range struct {
	// From is where it begins; a negative one counts from the log's end.
	From int64
	// Most is how many bytes at most; 0 is up to the end.
	Most int64
}

// Chunk is a part of a log as it is being read.
type Chunk struct {
	// Body is closed by the reader.
	Body io.ReadCloser
	// Size is that of the whole log; -1 when it is not known.
	Size int64
	// Whole says that Body is the whole log from its beginning, whatever part
	// was asked for: the place cannot give parts.
	Whole bool
	// Modified is when the log was last written; zero when it is not known.
	Modified time.Time
}

// Text returns a log whose text is known already.
func Text(name, uri, text string) Log {
	return Log{Source: name, URI: uri, Read: func(context.Context, Range) (Chunk, error) {
		return Chunk{Body: io.NopCloser(strings.NewReader(text)), Size: int64(len(text)), Whole: true}, nil
	}}
}
