package classifier

import (
	"net/url"
	"os"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/files"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/natsobj"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/pods"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/s3"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/web"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/yarn"
)

// logPlaces is what the operator allows, by the scheme of its URLs.
type logPlaces struct {
	roots     []string
	prefixes  map[string]source.Prefixes
	history   map[source.Prefix]*url.URL // of YARN
	templates []collect.Template
}

// logSchemes are the schemes of LogSources.
var logSchemes = []string{"file", "http", "https", "s3", natsobj.Scheme, pods.Scheme, "yarn+http", "yarn+https"}

// places reads LogSources.
func (o Options) places() (logPlaces, error) {
	p := logPlaces{roots: o.LogRoots, prefixes: map[string]source.Prefixes{}, history: map[source.Prefix]*url.URL{}}
	var all []error
	for _, s := range o.LogSources {
		if err := p.add(s); err != nil {
			all = append(all, errs.Field("--log-source", "%w", err))
		}
	}
	return p, errs.Fields(all...)
}

// historyQuery names the history server of a resource manager.
const historyQuery = "?logs="

func (p *logPlaces) add(s string) error {
	t, folder, isTemplate := collect.SplitTemplate(s)
	if isTemplate {
		if err := t.Check(); err != nil {
			return err
		}
	}
	if !isTemplate && t.URL != s {
		return errs.New(errs.Invalid, "%q has a name, and no %s that would lead to its logs", s, collect.Placeholder)
	}
	at, history, _ := strings.Cut(folder, historyQuery)
	if isTemplate {
		t.URL, history, _ = strings.Cut(t.URL, historyQuery)
	}
	prefix, err := source.ParsePrefix(at)
	if err != nil {
		return err
	}
	switch prefix.Scheme {
	case "file":
		p.roots = append(p.roots[:len(p.roots):len(p.roots)], prefix.Path)
	case "http", "https", "s3", natsobj.Scheme, "yarn+http", "yarn+https":
		if prefix.Host == "" {
			return errs.New(errs.Invalid, "%q names no host; write \"*\" to allow any", s)
		}
	case pods.Scheme:
	default:
		return errs.New(errs.Invalid, "%q: logs are read from %s", s, strings.Join(logSchemes, ", "))
	}
	if history != "" {
		u, err := url.Parse(history)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || !strings.HasPrefix(prefix.Scheme, "yarn+") {
			return errs.New(errs.Invalid, "%q: ?logs= is for yarn+http alone, and names a history server such as http://jobhistory:19888", s)
		}
		p.history[prefix] = u
	}
	p.prefixes[prefix.Scheme] = append(p.prefixes[prefix.Scheme], prefix)
	if isTemplate {
		p.templates = append(p.templates, t)
	}
	return nil
}

// collecting says how logs are read. Only what is allowed is made ready.
func (o Options) collecting(objects natsobj.Store) (collect.Options, error) {
	p, err := o.places()
	if err != nil {
		return collect.Options{}, err
	}
	token, err := o.tokens()
	if err != nil {
		return collect.Options{}, err
	}
	drivers := map[string]source.Driver{"file": files.Driver{Roots: p.roots}}
	join := func(schemes ...string) (all source.Prefixes) {
		for _, s := range schemes {
			all = append(all, p.prefixes[s]...)
		}
		return all
	}
	plain := join("http", "https")
	if len(plain) > 0 {
		d := web.NewDriver(web.New(web.Options{Allow: plain, Token: token}))
		drivers["http"], drivers["https"] = d, d
	}
	if managers := join("yarn+http", "yarn+https"); len(managers) > 0 {
		d := yarn.New(yarn.Options{Allow: managers, History: p.history, Client: web.New(web.Options{Allow: append(yarnHosts(managers, p.history), plain...), Token: token})})
		drivers["yarn+http"], drivers["yarn+https"] = d, d
	}
	if allow := p.prefixes[natsobj.Scheme]; len(allow) > 0 {
		drivers[natsobj.Scheme] = natsobj.New(allow, objects)
	}
	if allow := p.prefixes["s3"]; len(allow) > 0 {
		options, err := s3.FromEnvironment(allow, os.Getenv)
		if err != nil {
			return collect.Options{}, errs.Field("--log-source", "s3: %w", err)
		}
		drivers["s3"] = s3.New(options)
	}
	if allow := p.prefixes[pods.Scheme]; len(allow) > 0 {
		if drivers[pods.Scheme], err = pods.New(allow, o.Kubeconfig); err != nil {
			return collect.Options{}, errs.Field("--log-source", "k8s: %w", err)
		}
	} else if o.Kubeconfig != "" {
		return collect.Options{}, errs.Field("--log-kubeconfig", "it is for pods: give --log-source k8s://NAMESPACE/ as well")
	}
	return collect.Options{Drivers: drivers, Templates: p.templates, Timeout: o.LogTimeout}, nil
}

// yarnHosts are the resource managers and the history servers.
func yarnHosts(managers source.Prefixes, history map[source.Prefix]*url.URL) (all source.Prefixes) {
	for _, m := range managers {
		all = append(all, source.Prefix{Scheme: strings.TrimPrefix(m.Scheme, "yarn+"), Host: m.Host, Path: "/"})
		if h, err := source.ParsePrefix(historyURL(history[m])); err == nil {
			all = append(all, h)
		}
	}
	return all
}

func historyURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.String()
}

// tokens returns what is presented to the server of a URL: what is in the file
// of the first prefix that covers it, read each time.
func (o Options) tokens() (func(*url.URL) (string, error), error) {
	type given struct {
		prefix source.Prefix
		file   string
	}
	var all []given
	for _, s := range o.LogTokens {
		at := strings.LastIndexByte(s, '=')
		prefix, err := source.ParsePrefix(s[:max(at, 0)])
		if err == nil && (!prefix.Named() || prefix.Host == "" || prefix.Scheme != "https" && prefix.Scheme != "http") {
			err = errs.New(errs.Invalid, "a token is for http(s)://HOST/")
		}
		if err == nil {
			_, err = serve.ReadGivenSecret(s[at+1:])
		}
		if err != nil {
			return nil, errs.Field("--log-token", "%q is not URL=FILE: %w", s, err)
		}
		all = append(all, given{prefix, s[at+1:]})
	}
	return func(u *url.URL) (string, error) {
		for _, g := range all {
			if g.prefix.Covers(u) {
				return serve.ReadGivenSecret(g.file)
			}
		}
		return "", nil
	}, nil
}
