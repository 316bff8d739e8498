// Package yarn reads the logs of YARN's applications over its REST services:
// yarn+http://RESOURCEMANAGER:8088/APPLICATION[/CONTAINER], or yarn+https.
//
// It asks the resource manager how the application ended (Hadoop 2.4 and later:
// /ws/v1/cluster/apps/{id}) and the MapReduce history server for the aggregated
// logs of any application (Hadoop 3.3 and later: /ws/v1/history/aggregatedlogs
// and /ws/v1/history/containerlogs). Without a history server, and of an
// application whose logs are not aggregated yet, it asks the node manager of
// the application master (Hadoop 2.9 and later: /ws/v1/node/containers/{id}/logs
// and /ws/v1/node/containerlogs), where the operator allows its URL.
package yarn

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/web"
)

// Options say which clusters there are.
type Options struct {
	// Allow are the prefixes of resource managers, yarn+http://HOST:8088/.
	Allow source.Prefixes
	// History are the URLs of the history servers, by the prefix of their
	// resource manager.
	History map[source.Prefix]*url.URL
	// Client asks. It must be allowed to go to the resource managers, to the
	// history servers and, where that is wanted, to node managers.
	Client *web.Client
}

// Driver reads logs of applications.
type Driver struct{ options Options }

var _ source.Driver = Driver{}

// New returns a driver.
func New(o Options) Driver { return Driver{o} }

var (
	applicationID = regexp.MustCompile(`^application_\d{1,20}_\d{1,20}$`)
	containerID   = regexp.MustCompile(`\bcontainer_(?:e\d{1,10}_)?\d{1,20}_\d{1,20}_\d{1,10}_\d{1,10}\b`)
	fileName      = regexp.MustCompile(`^[\w.-]{1,100}$`)
)

// app is what is read of the resource manager's answer.
type app struct {
	State, FinalStatus, Diagnostics, AmContainerLogs, LogAggregationStatus string
	StartedTime, FinishedTime                                              float64
}

// Find implements source.Driver. It leads to the logs of the containers that
// the diagnostics name, of the application master, and of others.
func (d Driver) Find(ctx context.Context, ref source.Ref) (source.Found, error) {
	prefix, ok := d.options.Allow.Of(ref.URL)
	if !ok {
		return source.Found{}, d.options.Allow.Check(ref.URL)
	}
	id, container, _ := strings.Cut(strings.TrimPrefix(ref.URL.Path, "/"), "/")
	if !applicationID.MatchString(id) || container != "" && containerID.FindString(container) != container {
		return source.Found{}, errs.New(errs.Invalid, "%s is not %s://HOST/application_…[/container_…]", source.Show(ref.URL), ref.URL.Scheme)
	}
	manager := &url.URL{Scheme: strings.TrimPrefix(ref.URL.Scheme, "yarn+"), Host: ref.URL.Host}
	var answer struct{ App app }
	err := d.get(ctx, manager.JoinPath("ws/v1/cluster/apps", id), &answer)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return source.Found{}, err
	}
	a := answer.App
	var found source.Found
	found.Facts = failure.Evidence{Start: millis(a.StartedTime), End: millis(a.FinishedTime)}
	containers, from, err := d.containers(ctx, d.options.History[prefix], a, id, container)
	if err != nil {
		if a.Diagnostics == "" {
			return found, err
		}
		found.Note = "the logs of its containers could not be read: " + err.Error()
	}
	base := url.URL{Scheme: ref.URL.Scheme, Host: ref.URL.Host, Path: ref.URL.Path}
	for _, f := range pick(containers, a.Diagnostics, container) {
		if len(found.Logs) == source.MaxFound-1 {
			break
		}
		uri := base
		uri.Fragment = f.container + "/" + f.name
		l := d.log(f, from)
		if l.Growing = a.unfinished(); len(found.Logs) > 0 {
			l.URI = uri.String()
		}
		found.Logs = append(found.Logs, l)
	}
	if a.Diagnostics != "" {
		uri := base
		uri.Fragment = "diagnostics"
		text := source.Text("diagnostics", uri.String(), fmt.Sprintf("%s %s %s: %s\n", id, a.State, a.FinalStatus, a.Diagnostics))
		text.Aside = true
		found.Logs = append(found.Logs, text)
	}
	return found, nil
}

// unfinished reports whether more logs are to come.
func (a app) unfinished() bool {
	switch a.LogAggregationStatus {
	case "NOT_START", "RUNNING", "RUNNING_WITH_FAILURE":
		return true
	}
	return a.State == "RUNNING" || a.State == "ACCEPTED"
}

// server is where logs are read: the history server or a node manager.
type server struct {
	base *url.URL
	logs string // the path below which a container's files are
}

// containers lists the files of an application's containers.
func (d Driver) containers(ctx context.Context, history *url.URL, a app, id, container string) ([]file, server, error) {
	var missing error
	if history != nil {
		from := server{history, "ws/v1/history/containerlogs"}
		u := history.JoinPath("ws/v1/history/aggregatedlogs")
		u.RawQuery = url.Values{"appid": {id}}.Encode()
		if container != "" {
			u = history.JoinPath("ws/v1/history/containers", container, "logs")
		}
		files, err := d.list(ctx, u, container)
		if err == nil && len(files) > 0 {
			return files, from, nil
		}
		missing = err
	}
	// The link is http://NODE:8042/node/containerlogs/CONTAINER/USER.
	node, err := url.Parse(a.AmContainerLogs)
	master := containerID.FindString(a.AmContainerLogs)
	if a.AmContainerLogs == "" || err != nil || master == "" || container != "" && container != master {
		if missing == nil {
			missing = errs.New(errs.NotFound, "%s has no logs to be read", id)
		}
		return nil, server{}, missing
	}
	from := server{&url.URL{Scheme: node.Scheme, Host: node.Host}, "ws/v1/node/containerlogs"}
	files, err := d.list(ctx, from.base.JoinPath("ws/v1/node/containers", master, "logs"), master)
	if err != nil && missing != nil {
		err = missing
	}
	return files, from, err
}

func (d Driver) list(ctx context.Context, u *url.URL, container string) ([]file, error) {
	var answer any
	if err := d.get(ctx, u, &answer); err != nil {
		return nil, err
	}
	return filesIn(answer, container), nil
}

// log is one file of a container. The servers give its first or its last bytes,
// within a frame.
func (d Driver) log(f file, from server) source.Log {
	return source.Log{Source: f.name, Trim: unframed, Read: func(ctx context.Context, r source.Range) (source.Chunk, error) {
		u := from.base.JoinPath(from.logs, f.container, f.name)
		chunk := source.Chunk{Size: -1}
		switch {
		case r.From < 0:
			u.RawQuery = fmt.Sprintf("size=%d", r.From)
		case r.From == 0 && r.Most > 0:
			u.RawQuery = fmt.Sprintf("size=%d", r.Most)
		default:
			chunk.Whole = true
		}
		res, err := d.options.Client.Get(ctx, u, nil)
		if err != nil {
			return chunk, err
		}
		if res.StatusCode != http.StatusOK {
			return chunk, web.StatusError(res)
		}
		chunk.Body = res.Body
		return chunk, nil
	}}
}

// maxJSON bounds an answer in JSON.
const maxJSON = 8 << 20

func (d Driver) get(ctx context.Context, u *url.URL, into any) error {
	res, err := d.options.Client.Get(ctx, u, http.Header{"Accept": {"application/json"}})
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return web.StatusError(res)
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	if err := json.NewDecoder(io.LimitReader(res.Body, maxJSON)).Decode(into); err != nil {
		return errs.New(errs.Internal, "the answer of %s cannot be read: %w", u.Host, err)
	}
	return nil
}

func millis(ms float64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}
