package policy

import (
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Defaults and bounds of receivers.
const (
	DefaultTimeout    = 10 * time.Second
	DefaultRetryFor   = 24 * time.Hour
	DefaultMinBackoff = time.Second
	DefaultMaxBackoff = 5 * time.Minute

	PagerDutyURL = "https://events.pagerduty.com/v2/enqueue"
	SlackURL     = "https://slack.com/api/chat.postMessage"
)

var namePattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

var kinds = []Kind{Webhook, Slack, PagerDuty}

// keyOf names the secret of each type of receiver in the file.
var keyOf = map[Kind]string{Webhook: "secret", Slack: "token", PagerDuty: "routing_key"}

func (d *decoder) receiver(n node) Receiver {
	r := Receiver{Timeout: DefaultTimeout, RetryFor: DefaultRetryFor, MinBackoff: DefaultMinBackoff, MaxBackoff: DefaultMaxBackoff}
	keys := []string{"name", "type", "url", "url_file", "url_env", "timeout", "retry_for", "min_backoff", "max_backoff", "channel"}
	for _, kind := range kinds {
		keys = append(keys, keyOf[kind]+"_file", keyOf[kind]+"_env")
	}
	m := d.mapping(n, keys...)
	if m == nil {
		return r
	}
	d.identity(n, m, &r)
	if r.Kind == "" {
		return r
	}
	for _, kind := range kinds {
		for _, from := range []string{keyOf[kind] + "_file", keyOf[kind] + "_env"} {
			if x, ok := m[from]; ok && kind != r.Kind {
				d.fail(x, "is for receivers of type %s", kind)
			}
		}
	}
	d.timing(m, &r)
	r.Key = d.secret(m, keyOf[r.Kind])
	if x, ok := m["channel"]; ok {
		if r.Channel = d.text(x); r.Kind != Slack || len(r.Channel) > 80 {
			d.fail(x, "is for receivers of type slack, and has at most 80 characters")
		}
	}
	r.URL = d.url(n, m, r)
	switch {
	case r.Kind == PagerDuty && r.Key == "":
		d.fail(n, "needs routing_key_file or routing_key_env")
	case r.Kind == Slack && (r.Key == "") != (r.Channel == ""):
		d.fail(n, "a Slack app needs both channel and token_file or token_env; an incoming webhook needs url, url_file or url_env alone")
	}
	return r
}

func (d *decoder) identity(n node, m map[string]node, r *Receiver) {
	if x, ok := m["name"]; !ok {
		d.fail(n, "needs a name")
	} else if r.Name = d.text(x); !namePattern.MatchString(r.Name) {
		d.fail(x, "%s is not 1 to 63 of [a-z0-9-] that starts with a letter", quote(r.Name))
	}
	x, ok := m["type"]
	if !ok {
		d.fail(n, "needs a type: webhook, slack or pagerduty")
		return
	}
	switch kind := Kind(d.text(x)); kind {
	case Webhook, Slack, PagerDuty:
		r.Kind = kind
	default:
		d.fail(x, "%s is no type of receiver; use webhook, slack or pagerduty", quote(string(kind)))
	}
}

func (d *decoder) timing(m map[string]node, r *Receiver) {
	for _, x := range []struct {
		key       string
		to        *time.Duration
		low, high time.Duration
	}{
		{"timeout", &r.Timeout, 10 * time.Millisecond, time.Minute},
		{"retry_for", &r.RetryFor, time.Second, 7 * 24 * time.Hour},
		{"min_backoff", &r.MinBackoff, time.Millisecond, time.Hour},
		{"max_backoff", &r.MaxBackoff, time.Millisecond, 24 * time.Hour},
	} {
		if n, ok := m[x.key]; ok {
			*x.to = d.duration(n, x.low, x.high)
		}
	}
	r.MaxBackoff = max(r.MaxBackoff, r.MinBackoff)
}

// secret reads key_file or key_env.
func (d *decoder) secret(m map[string]node, key string) Secret {
	file, fromFile := m[key+"_file"]
	env, fromEnv := m[key+"_env"]
	var value string
	at := file
	switch {
	case fromFile && fromEnv:
		d.fail(env, "is there beside %s_file; one of them is enough", key)
		return ""
	case fromFile:
		data, err := d.lookup.File(d.text(file))
		if err != nil {
			d.fail(file, "cannot be read: %w", err)
			return ""
		}
		value = string(data)
	case fromEnv:
		at = env
		var ok bool
		if value, ok = d.lookup.Env(d.text(env)); !ok {
			d.fail(env, "the environment has no %s", quote(env.Value))
			return ""
		}
	default:
		return ""
	}
	value = strings.TrimSpace(value)
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		d.fail(at, "what it refers to must be one line and not empty")
		return ""
	}
	return Secret(value)
}

// url reads url, url_file or url_env, or gives the receiver its default.
func (d *decoder) url(n node, m map[string]node, r Receiver) Secret {
	inline, ok := m["url"]
	value, at := d.secret(m, "url"), n
	switch {
	case ok && value != "":
		d.fail(inline, "is there beside url_file or url_env; one of them is enough")
		return ""
	case ok:
		value, at = Secret(d.text(inline)), inline
	case value != "":
	case r.Kind == PagerDuty:
		return PagerDutyURL
	case r.Kind == Slack && r.Key != "":
		return SlackURL
	case m["url_file"].Node != nil || m["url_env"].Node != nil:
		return "" // told already
	default:
		d.fail(n, "needs url, url_file or url_env")
		return ""
	}
	// What is wrong is not quoted: it may be a secret.
	u, err := url.Parse(value.Reveal())
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Opaque != "" {
		d.fail(at, "must be an http or https URL such as https://example.com/hook")
	} else if u.User != nil {
		d.fail(at, "must have no user or password")
	}
	return value
}
