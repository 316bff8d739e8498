package s3

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/web"
)

// maxList bounds the answer to a list in bytes; it has 1,000 keys at most.
const maxList = 4 << 20

// listing is the answer of ListObjectsV2.
type listing struct {
	IsTruncated bool
	Contents    []struct{ Key string }
}

// matches returns the objects whose keys are as the pattern says in its last
// part. A "folder" that is so stands for what is directly in it.
func (d *Driver) matches(ctx context.Context, bucket, pattern string) (source.Found, error) {
	folder, last := pattern[:strings.LastIndexByte(pattern, '/')+1], pattern[strings.LastIndexByte(pattern, '/')+1:]
	fixed := last[:strings.IndexAny(last+"*", `*?[\`)]
	l, err := d.list(ctx, bucket, folder+fixed)
	if err != nil {
		return source.Found{}, err
	}
	var keys []string
	for _, c := range l.Contents {
		rest, ok := strings.CutPrefix(c.Key, folder)
		name, below, deeper := strings.Cut(rest, "/")
		if ok && source.Matches(last, name) && (!deeper || below != "" && !strings.Contains(below, "/")) {
			keys = append(keys, c.Key)
		}
	}
	found := source.Found{}
	if l.IsTruncated {
		found.Note = "more than 1,000 objects begin like it: the rest was not looked at"
	}
	if len(keys) == 0 {
		return found, errs.New(errs.NotFound, "no object of %s is like %.200q", bucket, pattern)
	}
	// The newest parts of a rolling log have the highest numbers.
	slices.Sort(keys)
	slices.Reverse(keys)
	for _, key := range keys[:min(len(keys), source.MaxFound)] {
		found.Logs = append(found.Logs, d.log((&url.URL{Scheme: "s3", Host: bucket, Path: "/" + key}).String(), bucket, key))
	}
	return found, nil
}

func (d *Driver) list(ctx context.Context, bucket, prefix string) (l listing, err error) {
	query := url.Values{"list-type": {"2"}, "prefix": {prefix}, "max-keys": {"1000"}}
	err = d.inRegion(bucket, func(region string) error {
		res, err := d.client.Get(ctx, d.url(region, bucket, "", query), nil)
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return web.StatusError(res)
		}
		defer func() { _ = res.Body.Close() }() // it was only read
		if err := xml.NewDecoder(io.LimitReader(res.Body, maxList)).Decode(&l); err != nil {
			return errs.New(errs.Internal, "the list of objects cannot be read: %w", err)
		}
		return nil
	})
	return l, err
}
