// Package pods reads the logs of containers from the API of Kubernetes, with
// the events of their pod and how they ended: k8s://NAMESPACE/POD[/CONTAINER].
// It takes access and credentials from client-go, and reads the few fields that
// it needs by itself: the typed client would double the program.
package pods

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/web"
)

// Scheme is that of the driver's URLs.
const Scheme = "k8s"

// Driver reads pods.
type Driver struct {
	allow  source.Prefixes
	base   *url.URL
	client *http.Client
}

var _ source.Driver = Driver{}

// New returns a driver that reads what is allowed with the current context of a
// kubeconfig file, or with the service account of this pod when the file is
// empty. Without either it is errs.FailedPrecondition.
func New(allow source.Prefixes, kubeconfig string) (Driver, error) {
	var c *rest.Config
	var err error
	if kubeconfig == "" {
		if c, err = rest.InClusterConfig(); errors.Is(err, rest.ErrNotInCluster) {
			return Driver{}, errs.New(errs.FailedPrecondition, "pods can be read within a cluster, or with --log-kubeconfig FILE")
		}
	} else {
		c, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return Driver{}, errs.New(errs.FailedPrecondition, "access to Kubernetes: %w", err)
	}
	c.UserAgent = "redrive"
	base, _, err := rest.DefaultServerUrlFor(c)
	if err != nil {
		return Driver{}, errs.New(errs.FailedPrecondition, "access to Kubernetes: %w", err)
	}
	client, err := rest.HTTPClientFor(c)
	if err != nil {
		return Driver{}, errs.New(errs.FailedPrecondition, "access to Kubernetes: %w", err)
	}
	return Driver{allow, base, client}, nil
}

// objectName is what the names of namespaces, pods and containers look like.
var objectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// Find implements source.Driver. Without a container's name it leads to those
// that failed, or to the first.
func (d Driver) Find(ctx context.Context, ref source.Ref) (source.Found, error) {
	if err := d.allow.Check(ref.URL); err != nil {
		return source.Found{}, err
	}
	names := append([]string{ref.URL.Host}, strings.Split(strings.TrimPrefix(ref.URL.Path, "/"), "/")...)
	for _, n := range names {
		if len(names) < 2 || len(names) > 3 || !objectName.MatchString(n) {
			return source.Found{}, errs.New(errs.Invalid, "%s is not k8s://NAMESPACE/POD or k8s://NAMESPACE/POD/CONTAINER", source.Show(ref.URL))
		}
	}
	at := address{namespace: names[0], pod: names[1]}
	if len(names) == 3 {
		at.container = names[2]
	}
	return d.find(ctx, at)
}

// address names a container, or a whole pod.
type address struct{ namespace, pod, container string }

func (a address) uri(part string) string {
	return (&url.URL{Scheme: Scheme, Host: a.namespace, Path: "/" + a.pod, Fragment: part}).String()
}

func (d Driver) find(ctx context.Context, at address) (source.Found, error) {
	var p pod
	err := d.get(ctx, &p, nil, "namespaces", at.namespace, "pods", at.pod)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return source.Found{}, err
	}
	found := source.Found{}
	missing := err
	if missing == nil {
		for i, c := range p.containers(at.container) {
			l := d.log(at, c)
			if i > 0 {
				l.URI = at.uri(c.Name)
			}
			found.Logs = append(found.Logs, l)
		}
		if len(found.Logs) == 0 && at.container != "" {
			return found, errs.New(errs.NotFound, "the pod has no container %q", at.container)
		}
		found.Facts = p.facts(at)
	} else {
		found.Note = "the pod does not exist any more"
	}
	var all eventList
	err = d.get(ctx, &all, url.Values{
		"fieldSelector": {"involvedObject.kind=Pod,involvedObject.name=" + at.pod}, "limit": {"500"},
	}, "namespaces", at.namespace, "events")
	if err != nil {
		found.Note = "its pod's events could not be read: " + err.Error()
	}
	text := p.story() + all.of(p.Metadata.UID)
	if missing != nil && text == "" {
		return source.Found{}, missing
	}
	if text != "" {
		events := source.Text("events", at.uri("events"), text)
		events.Aside = true
		found.Logs = append(found.Logs, events)
	}
	return found, nil
}

// lineBytes is how long a line is taken to be where the API counts lines.
const lineBytes = 40

// log is the log of a container: of its previous run when it was started again.
func (d Driver) log(at address, c containerStatus) source.Log {
	return source.Log{Source: sourceOf(c.Name), Growing: c.State.Running != nil && c.LastState.Terminated == nil, Read: func(ctx context.Context, r source.Range) (source.Chunk, error) {
		query := url.Values{"container": {c.Name}}
		if c.State.Terminated == nil && c.LastState.Terminated != nil {
			query.Set("previous", "true")
		}
		chunk := source.Chunk{Size: -1}
		switch {
		case r.From < 0:
			query.Set("tailLines", strconv.FormatInt(-r.From/lineBytes, 10))
		case r.From == 0 && r.Most > 0:
			query.Set("limitBytes", strconv.FormatInt(r.Most, 10))
		default:
			chunk.Whole = true
		}
		body, err := d.open(ctx, query, "namespaces", at.namespace, "pods", at.pod, "log")
		chunk.Body = body
		return chunk, err
	}}
}

// sourceOf is what the log of a container is called. Spark names its own.
func sourceOf(container string) string {
	switch container {
	case "spark-kubernetes-driver":
		return "driver"
	case "spark-kubernetes-executor":
		return "executor"
	}
	return container
}

// maxJSON bounds an answer in JSON.
const maxJSON = 8 << 20

func (d Driver) get(ctx context.Context, into any, query url.Values, path ...string) error {
	body, err := d.open(ctx, query, path...)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // it was only read
	if err := json.NewDecoder(io.LimitReader(body, maxJSON)).Decode(into); err != nil {
		return errs.New(errs.Internal, "the answer of Kubernetes cannot be read: %w", err)
	}
	return nil
}

func (d Driver) open(ctx context.Context, query url.Values, path ...string) (io.ReadCloser, error) {
	u := d.base.JoinPath(append([]string{"api", "v1"}, path...)...)
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errs.New(errs.Internal, "ask Kubernetes: %w", err)
	}
	r.Header.Set("Accept", "application/json, */*")
	res, err := d.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, errs.New(errs.Unavailable, "the API of Kubernetes does not answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, statusError(res)
	}
	return res.Body, nil
}

// statusError takes the message out of the Status that the API answers with.
func statusError(res *http.Response) error {
	var status struct{ Message string }
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // what there is of it
	if json.Unmarshal(text, &status) == nil && status.Message != "" {
		text = []byte(status.Message)
	}
	_ = res.Body.Close() // it was only read
	res.Body = io.NopCloser(strings.NewReader(string(text)))
	return web.StatusError(res)
}
