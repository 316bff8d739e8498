package policy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/policy"
)

// lookup knows one file and one variable.
var lookup = policy.Lookup{
	File: func(path string) ([]byte, error) {
		if path != "key" {
			return nil, errors.New("no such file")
		}
		return []byte("s3cr3t-key\n"), nil
	},
	Env: func(name string) (string, bool) { return "https://hooks.example.com/s3cr3t", name == "HOOK" },
}

const hook = "receivers: [{name: a, type: webhook, url: 'https://example.com/x'}]\n"

func TestDefaultSeverities(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    alert.Failure
		want alert.Severity
	}{
		{"first failure", alert.Failure{Class: failure.Throttling, Attention: alert.Nobody, Consecutive: 1}, alert.Info},
		{"second failure, a retry is planned", alert.Failure{Class: failure.Throttling, Attention: alert.Nobody, Consecutive: 2}, alert.Info},
		{"before the cap", alert.Failure{Class: failure.Permission, Attention: alert.BeforeCap, Consecutive: 2}, alert.Warning},
		{"third in a row", alert.Failure{Class: failure.Throttling, Attention: alert.Nobody, Consecutive: 3}, alert.Page},
		{"third in a row and before the cap", alert.Failure{Class: failure.Permission, Attention: alert.BeforeCap, Consecutive: 3}, alert.Page},
		{"permanent", alert.Failure{Class: failure.CodeBug, Attention: alert.Permanent, Stopped: true, Consecutive: 1}, alert.Page},
		{"cancelled", alert.Failure{Class: failure.Cancelled, Attention: alert.Permanent, Stopped: true, Consecutive: 5}, alert.None},
		{"the job is being cancelled", alert.Failure{Class: failure.CodeBug, Cancelled: true, Consecutive: 5}, alert.None},
		{"stopped, and nobody is to look", alert.Failure{Class: failure.CodeBug, Attention: alert.Nobody, Stopped: true}, alert.None},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := policy.Default().Severity(tc.f); got != tc.want {
				t.Errorf("Severity = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestRulesReplaceThresholds(t *testing.T) {
	p, err := policy.Parse([]byte(`
thresholds: {first: none, page_in_a_row: 4}
rules:
  - match: [category=preemption]
    page_in_a_row: 0
  - match: ["workflow=~nightly-.*", owner!=lab]
    first: warning
    permanent: warning
`), "p.yaml", lookup)
	if err != nil {
		t.Fatal(err)
	}
	preempted := alert.Failure{Class: failure.Preemption, Category: failure.CategoryPreemption, Attention: alert.Nobody, Consecutive: 9}
	nightly := alert.Failure{Class: failure.CodeBug, Type: failure.Type{Workflow: "nightly-1"}, Attention: alert.Permanent, Consecutive: 1}
	lab := nightly
	lab.Owner = "lab"
	for _, tc := range []struct {
		name string
		f    alert.Failure
		want alert.Severity
	}{
		{"no page for preemptions in a row", preempted, alert.None},
		{"quieter for a workflow", nightly, alert.Warning},
		{"not for another owner", lab, alert.Page},
		{"three in a row", alert.Failure{Consecutive: 3}, alert.None},
		{"four in a row", alert.Failure{Consecutive: 4}, alert.Page},
	} {
		if got := p.Severity(tc.f); got != tc.want {
			t.Errorf("%s: Severity = %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestRoutes(t *testing.T) {
	p, err := policy.Parse([]byte(`
receivers:
  - {name: oncall, type: pagerduty, routing_key_file: key}
  - {name: chat, type: slack, url_env: HOOK}
  - {name: data, type: slack, token_file: key, channel: "#data"}
routes:
  - {severities: [page], receivers: [oncall, chat], match: [class!=data.invalid], continue: true}
  - {severities: [warning, page], receivers: [data, chat], match: ["owner=~data-.*"]}
  - {severities: [warning], receivers: [chat]}
`), "p.yaml", lookup)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		owner string
		class failure.Class
		at    alert.Severity
		want  []string
	}{
		{"data-eu", failure.CodeBug, alert.Page, []string{"oncall", "chat", "data"}},
		{"data-eu", failure.DataInvalid, alert.Page, []string{"data", "chat"}},
		{"data", failure.CodeBug, alert.Warning, []string{"chat"}},
		{"web", failure.DataInvalid, alert.Page, nil},
		{"web", failure.CodeBug, alert.Info, nil},
	} {
		if got := p.Told(alert.Alert{Owner: tc.owner, Class: tc.class}, tc.at); !slices.Equal(got, tc.want) {
			t.Errorf("%s of %s at %s: told %v, want %v", tc.class, tc.owner, tc.at, got, tc.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	for _, file := range []string{"", "# nothing\n", "---\n", "{}", hook} {
		p, err := policy.Parse([]byte(file), "p.yaml", lookup)
		if err != nil {
			t.Errorf("%q: %v", file, err)
			continue
		}
		var want []string
		if file == hook {
			want = []string{"a"}
			if r := p.Receivers[0]; r.Timeout != policy.DefaultTimeout || r.RetryFor != 24*time.Hour {
				t.Errorf("timeout %v, retry for %v", r.Timeout, r.RetryFor)
			}
		}
		for at, want := range map[alert.Severity][]string{alert.Page: want, alert.Warning: want, alert.Info: nil} {
			if got := p.Told(alert.Alert{}, at); !slices.Equal(got, want) {
				t.Errorf("%q: told %v at %s, want %v", file, got, at, want)
			}
		}
	}
}

func TestErrorsNameLineAndKey(t *testing.T) {
	for _, tc := range []struct{ name, file, want string }{
		{"unknown key", "receiverz: []", `p.yaml:1: the file: the key "receiverz" is unknown`},
		{"unknown key within", "receivers:\n  - name: a\n    type: webhook\n    secret: abc", `p.yaml:4: receivers[0]: the key "secret" is unknown`},
		{"twice", "routes: []\nroutes: []", "p.yaml:2: routes: is there twice"},
		{"no YAML", "a: [", "p.yaml: is no YAML"},
		{"two documents", "{}\n---\n{}", "one YAML document"},
		{"not a mapping", "- a", "p.yaml:1: the file: must be a mapping"},
		{"not a list", "routes: 7", "p.yaml:1: routes: must be a list"},
		{"no name", "receivers: [{type: webhook, url: 'http://x'}]", "receivers[0]: needs a name"},
		{"bad name", "receivers: [{name: A b, type: webhook, url: 'http://x'}]", `p.yaml:1: receivers[0].name: "A b" is not`},
		{"same name", hook[:len(hook)-2] + ", {name: a, type: webhook, url: 'http://x'}]", `p.yaml:1: receivers[1]: there are two receivers called "a"`},
		{"no type", "receivers: [{name: a}]", "receivers[0]: needs a type"},
		{"bad type", "receivers: [{name: a, type: pigeon}]", `receivers[0].type: "pigeon" is no type`},
		{"no URL", "receivers: [{name: a, type: webhook}]", "receivers[0]: needs url"},
		{"bad scheme", "receivers: [{name: a, type: webhook, url: 'file:///etc/passwd'}]", "receivers[0].url: must be an http or https URL"},
		{"user in URL", "receivers: [{name: a, type: webhook, url: 'https://u:p@x/'}]", "receivers[0].url: must have no user"},
		{"two URLs", "receivers: [{name: a, type: webhook, url: 'https://x/', url_env: HOOK}]", "receivers[0].url: is there beside"},
		{"two secrets", "receivers: [{name: a, type: webhook, url: 'https://x/', secret_env: HOOK, secret_file: key}]", "receivers[0].secret_env: is there beside secret_file"},
		{"secret of another type", "receivers: [{name: a, type: webhook, url: 'https://x/', token_file: key}]", "receivers[0].token_file: is for receivers of type slack"},
		{"no such file", "receivers: [{name: a, type: webhook, url_file: nope}]", "receivers[0].url_file: cannot be read"},
		{"no such variable", "receivers: [{name: a, type: webhook, url_env: NOPE}]", `receivers[0].url_env: the environment has no "NOPE"`},
		{"no routing key", "receivers: [{name: a, type: pagerduty}]", "receivers[0]: needs routing_key_file"},
		{"token without channel", "receivers: [{name: a, type: slack, token_file: key}]", "receivers[0]: a Slack app needs both"},
		{"bad timeout", "receivers: [{name: a, type: webhook, url: 'http://x', timeout: 2h}]", "receivers[0].timeout: must be a duration"},
		{"bad severity", hook + "routes: [{severities: [loud], receivers: [a]}]", `p.yaml:2: routes[0].severities[0]: "loud" is no severity; use one of info, warning, page`},
		{"no severities", hook + "routes: [{receivers: [a]}]", "routes[0]: needs severities"},
		{"no receivers", hook + "routes: [{severities: [page]}]", "routes[0]: needs receivers"},
		{"unknown receiver", "routes: [{severities: [page], receivers: [b]}]", `p.yaml:1: routes[0].receivers[0]: there is no receiver called "b"`},
		{"bad continue", hook + "routes: [{severities: [page], receivers: [a], continue: maybe}]", "routes[0].continue: must be true or false"},
		{"bad matcher", hook + "routes: [{severities: [page], receivers: [a], match: [owner]}]", "routes[0].match[0]: must look like"},
		{"unknown label", hook + "routes: [{severities: [page], receivers: [a], match: [colour=red]}]", `routes[0].match[0]: the label "colour" is not one of`},
		{"bad pattern", "rules: [{match: ['class=~(']}]", "rules[0].match[0]: is no RE2 pattern"},
		{"rule without match", "rules: [{first: none}]", "rules[0]: needs a match"},
		{"bad number", "thresholds: {page_in_a_row: -1}", "thresholds.page_in_a_row: must be a whole number"},
		{"alias", "routes: &a []\nrules: *a", "p.yaml:2: rules: must be a list"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := policy.Parse([]byte(tc.file), "p.yaml", lookup)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Parse(%q) = %v, want an Invalid error with %q", tc.file, err, tc.want)
			}
		})
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := policy.Parse([]byte("a: 1\nb: 2\nroutes: 3\n"), "p.yaml", lookup)
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || len(e.Violations) != 3 {
		t.Errorf("Parse = %v, want three violations", err)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	p, err := policy.Parse([]byte(`receivers: [{name: a, type: webhook, url_env: HOOK, secret_file: key}]`), "p.yaml", lookup)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Receivers[0].Key.Reveal(); got != "s3cr3t-key" {
		t.Errorf("key = %q, want it without its line end", got)
	}
	for _, shown := range []string{fmt.Sprint(p), fmt.Sprintf("%+v", p), fmt.Sprintf("%#v", p), fmt.Sprintf("%s", p.Receivers)} {
		if strings.Contains(shown, "s3cr3t") {
			t.Errorf("a secret is shown: %s", shown)
		}
	}
	leaky := policy.Lookup{Env: func(string) (string, bool) { return "s3cr3t no URL", true }}
	if _, err := policy.Parse([]byte(`receivers: [{name: a, type: webhook, url_env: HOOK}]`), "p.yaml", leaky); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("Parse = %v, want an error without the secret", err)
	}
}

func TestLoadReadsFilesBesideThePolicy(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("hook.url", "https://example.com/hook\n")
	p, err := policy.Load(write("notify.yaml", "receivers: [{name: a, type: webhook, url_file: hook.url}]"))
	if err != nil || p.Receivers[0].URL.Reveal() != "https://example.com/hook" {
		t.Errorf("Load = %v, %v", p, err)
	}
	if _, err := policy.Load(filepath.Join(dir, "nope.yaml")); !errs.Is(err, errs.Invalid) {
		t.Errorf("Load of no file = %v, want Invalid", err)
	}
	if _, err := policy.Load(write("big.yaml", strings.Repeat("#", 2<<20))); !errs.Is(err, errs.Invalid) {
		t.Errorf("Load of a huge file = %v, want Invalid", err)
	}
}

// TestTheExampleInTheDocsWorks reads the policy in docs/notifications.md.
func TestTheExampleInTheDocsWorks(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the page has no example")
	}
	p, err := policy.Parse([]byte(example), "example.yaml", policy.Lookup{
		Env: func(string) (string, bool) { return "https://hooks.example.com/x", true },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		owner string
		class failure.Class
		at    alert.Severity
		want  []string
	}{
		{"data-eu", failure.CodeBug, alert.Page, []string{"oncall", "tickets", "data-team"}},
		{"web", failure.DataInvalid, alert.Page, []string{"chat"}},
		{"web", failure.CodeBug, alert.Info, nil},
	} {
		if got := p.Told(alert.Alert{Owner: tc.owner, Class: tc.class}, tc.at); !slices.Equal(got, tc.want) {
			t.Errorf("%s of %s at %s: told %v, want %v", tc.class, tc.owner, tc.at, got, tc.want)
		}
	}
	lab := alert.Failure{Type: failure.Type{Workflow: "experiments"}, Attention: alert.Permanent, Consecutive: 1}
	if got := p.Severity(lab); got != alert.Warning {
		t.Errorf("an experiment that stopped is worth %s, want warning", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(hook))
	f.Add([]byte("thresholds: {first: none}\nrules: [{match: ['class=~a|b'], page_in_a_row: 5}]\nroutes: [{severities: [page], receivers: []}]"))
	f.Add([]byte("receivers: [{name: a, type: slack, token_file: key, channel: c}, {name: b, type: pagerduty, routing_key_env: HOOK}]"))
	f.Add([]byte("a: &a [*a]\n<<: {b: c}\n? [x]\n: y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := policy.Parse(data, "p.yaml", lookup)
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("Parse = %v, want Invalid", err)
			}
			return
		}
		names := map[string]bool{}
		for _, r := range p.Receivers {
			names[r.Name] = true
			if r.URL == "" || r.Timeout <= 0 || r.MaxBackoff < r.MinBackoff {
				t.Errorf("accepted receiver %+v", r)
			}
		}
		for _, at := range []alert.Severity{alert.Info, alert.Warning, alert.Page} {
			for _, name := range p.Told(alert.Alert{}, at) {
				if !names[name] {
					t.Errorf("told %q, which is no receiver", name)
				}
			}
		}
		p.Severity(alert.Failure{})
	})
}
