package collect_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/files"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

// place is a driver that answers by the path of a URL.
type place map[string]func(ctx context.Context) (source.Found, error)

func (p place) Find(ctx context.Context, ref source.Ref) (source.Found, error) {
	if answer := p[ref.URL.Path]; answer != nil {
		return answer(ctx)
	}
	return source.Found{}, errs.New(errs.NotFound, "it does not exist")
}

func text(s string) func(context.Context) (source.Found, error) {
	return func(context.Context) (source.Found, error) {
		return source.Found{Logs: []source.Log{source.Text("", "", s)}}, nil
	}
}

func log(uri string) failure.Log { return failure.Log{Source: "stderr", URI: uri} }

var now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func TestTimeIsBoundedForAllLogsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		defer close(forever)
		deaf := func(context.Context) (source.Found, error) { <-forever; return source.Found{}, nil }
		slow := func(ctx context.Context) (source.Found, error) { <-ctx.Done(); return source.Found{}, ctx.Err() }
		c := collect.New(collect.Options{Drivers: map[string]source.Driver{"x": place{"/deaf": deaf, "/slow": slow, "/quick": text("boom")}}})
		began := time.Now()
		a := c.Collect(t.Context(), collect.Ask{Evidence: failure.Evidence{Logs: []failure.Log{log("x://h/quick"), log("x://h/deaf"), log("x://h/slow")}}, Now: now})
		if took := time.Since(began); took > collect.DefaultTimeout+time.Second {
			t.Errorf("it took %v", took)
		}
		logs := a.Evidence.Logs
		if logs[0].Head != "boom" || !logs[0].ReadTime.Equal(now) || logs[0].Problem != "" {
			t.Errorf("the quick log = %+v", logs[0])
		}
		for _, l := range logs[1:] {
			if !strings.Contains(l.Problem, "longer than 5s") || !l.ReadTime.IsZero() {
				t.Errorf("%s = %+v, want what is the matter", l.URI, l)
			}
		}
		if len(a.Warnings) != 2 || !a.Late {
			t.Errorf("warnings %q, late %v", a.Warnings, a.Late)
		}
	})
}

func TestFewAreReadAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		work := func(context.Context) (source.Found, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second) // of the bubble's own time
			mu.Lock()
			running--
			mu.Unlock()
			return source.Found{}, nil
		}
		p, logs := place{}, []failure.Log(nil)
		for i := range 12 {
			path := fmt.Sprintf("/%d", i)
			p[path], logs = work, append(logs, log("x://h"+path))
		}
		c := collect.New(collect.Options{Drivers: map[string]source.Driver{"x": p}})
		if a := c.Collect(t.Context(), collect.Ask{Evidence: failure.Evidence{Logs: logs}}); len(a.Warnings) != 0 || most != 4 {
			t.Errorf("%d at a time, warnings %q; want 4", most, a.Warnings)
		}
	})
}

func TestOnePlaceGivesManyLogsAndFacts(t *testing.T) {
	code := 137
	pod := func(context.Context) (source.Found, error) {
		return source.Found{
			Logs:  []source.Log{source.Text("main", "", "Killed"), source.Text("events", "x://h/pod#events", "Warning OOMKilling")},
			Facts: failure.Evidence{ExitCode: &code, Reason: failure.OutOfMemory, Proof: "OOMKilled", LimitBytes: 9, Node: "n1"},
			Note:  "one event was left out",
		}, nil
	}
	c := collect.New(collect.Options{Drivers: map[string]source.Driver{"x": place{"/pod": pod}}})
	ask := collect.Ask{Evidence: failure.Evidence{Reason: failure.Exited, Logs: []failure.Log{log("x://h/pod")}}, Now: now}
	a := c.Collect(t.Context(), ask)
	e := a.Evidence
	if len(e.Logs) != 2 || e.Logs[0].Source != "stderr" || e.Logs[0].Head != "Killed" || e.Logs[1].Source != "events" || e.Logs[1].Head != "Warning OOMKilling" {
		t.Errorf("logs = %+v", e.Logs)
	}
	if *e.ExitCode != 137 || e.Reason != failure.OutOfMemory || e.Proof != "OOMKilled" || e.LimitBytes != 9 || e.Node != "n1" {
		t.Errorf("facts = %+v", e.Facts())
	}
	if len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "left out") {
		t.Errorf("warnings = %q", a.Warnings)
	}
	// Again, the same logs are there once.
	again := c.Collect(t.Context(), collect.Ask{Evidence: e, Now: now.Add(time.Minute), Again: true})
	if len(again.Evidence.Logs) != 2 || !again.Evidence.Logs[1].ReadTime.Equal(now.Add(time.Minute)) {
		t.Errorf("collected again, logs = %+v", again.Evidence.Logs)
	}
	// What the evidence says itself stays.
	own := 1
	ask.Evidence.ExitCode, ask.Evidence.Reason, ask.Evidence.Proof, ask.Evidence.Node = &own, failure.TimedOut, "", "mine"
	if e := c.Collect(t.Context(), ask).Evidence; *e.ExitCode != 1 || e.Reason != failure.TimedOut || e.Proof != "" || e.Node != "mine" {
		t.Errorf("facts = %+v, want what was told", e.Facts())
	}
}

func TestLate(t *testing.T) {
	root := t.TempDir()
	fresh, old := write(t, filepath.Join(root, "fresh"), "x"), write(t, filepath.Join(root, "old"), "x")
	running := write(t, filepath.Join(root, "app.inprogress"), "x")
	for path, at := range map[string]time.Time{"fresh": now.Add(-time.Second), "old": now.Add(-time.Minute), "app.inprogress": now.Add(-time.Minute)} {
		if err := os.Chtimes(filepath.Join(root, path), at, at); err != nil {
			t.Fatal(err)
		}
	}
	answer := func(err error) func(context.Context) (source.Found, error) {
		return func(context.Context) (source.Found, error) { return source.Found{}, err }
	}
	c := collect.New(collect.Options{Drivers: map[string]source.Driver{"file": files.Driver{Roots: []string{root}}, "x": place{
		"/down": answer(errs.New(errs.Unavailable, "503")), "/forbidden": answer(errs.New(errs.PermissionDenied, "403")), "/odd": answer(errors.New("odd")),
	}}})
	for _, tc := range []struct {
		uri  string
		end  time.Time
		want bool
	}{
		{fresh, time.Time{}, true},
		{fresh, now.Add(-time.Second), false}, // written before the attempt ended
		{fresh, now.Add(-time.Minute), true},
		{old, time.Time{}, false},
		{running, time.Time{}, true},
		{"file://" + root + "/none", time.Time{}, true},
		{"x://h/none", time.Time{}, true},
		{"x://h/none?token=abcdef0123456789", time.Time{}, false}, // it is not kept
		{"x://h/down", time.Time{}, true},
		{"x://h/forbidden", time.Time{}, false},
		{"x://h/odd", time.Time{}, false},
		{"y://h/odd", time.Time{}, false},
	} {
		a := c.Collect(t.Context(), collect.Ask{Evidence: failure.Evidence{End: tc.end, Logs: []failure.Log{log(tc.uri)}}, Now: now})
		if a.Late != tc.want {
			t.Errorf("%s, ended %v: late %v, want %v (%q)", tc.uri, tc.end, a.Late, tc.want, a.Warnings)
		}
	}
}

func TestTemplatesLeadToTheLogsOfAnApplication(t *testing.T) {
	root := t.TempDir()
	const yarn, kube = "application_1700000000000_0042", "spark-0123456789abcdef0123456789abcdef"
	write(t, filepath.Join(root, yarn+"_1"), "event log")
	write(t, filepath.Join(root, "eventlog_v2_"+yarn, "events_1_"+yarn), "rolled 1")
	write(t, filepath.Join(root, "eventlog_v2_"+yarn, "events_2_"+yarn), "rolled 2")
	write(t, filepath.Join(root, kube, "driver.log"), "driver log")
	events, folder, ok := collect.SplitTemplate("file://" + root + "/*{application_id}*")
	if !ok || folder != "file://"+root+"/" {
		t.Fatalf("SplitTemplate = %+v, %q, %v", events, folder, ok)
	}
	driver, _, _ := collect.SplitTemplate("driver=file://" + root + "/{application_id}/driver.log")
	c := collect.New(collect.Options{Drivers: map[string]source.Driver{"file": files.Driver{Roots: []string{root}}}, Templates: []collect.Template{events, driver}})
	for name, tc := range map[string]struct {
		ask  collect.Ask
		want string
	}{
		"text":        {collect.Ask{Evidence: failure.Evidence{Logs: []failure.Log{{Head: "INFO Submitted application " + yarn + "\n"}}}}, "application:rolled 2 application:rolled 1 application:event log"},
		"label":       {collect.Ask{Labels: map[string]string{"spark-app-selector": kube}}, "application:driver log"},
		"label first": {collect.Ask{Labels: map[string]string{"application_id": kube}, Evidence: failure.Evidence{Logs: []failure.Log{{Head: yarn}}}}, "application:driver log"},
		"no id":       {collect.Ask{Labels: map[string]string{"application_id": "../../etc"}, Evidence: failure.Evidence{Logs: []failure.Log{{Head: "application_1 xspark-123"}}}}, ""},
	} {
		a := c.Collect(t.Context(), tc.ask)
		var got []string
		for _, l := range a.Evidence.Logs[len(tc.ask.Evidence.Logs):] {
			got = append(got, l.Source+":"+l.Head)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q, want %q (%q)", name, got, tc.want, a.Warnings)
		}
	}
	for s, want := range map[string]bool{"s3://b/{application_id}*": true, "s3://b/*/{application_id}/x": false} {
		if template, _, _ := collect.SplitTemplate(s); (template.Check() == nil) != want {
			t.Errorf("Check of %q = %v", s, template.Check())
		}
	}
}
