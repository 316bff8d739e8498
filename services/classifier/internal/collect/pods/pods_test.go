package pods_test

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/pods"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/window"
)

// api answers as the API of Kubernetes does, to one token.
type api struct {
	answers map[string]string // by path; "403 text" is a refusal
	logs    map[string]string // by path?container=… and previous
	asked   []string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer t0ken" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	q := r.URL.Query()
	if strings.HasSuffix(r.URL.Path, "/log") {
		text, ok := a.logs[q.Get("container")+q.Get("previous")]
		if !ok {
			refuse(w, http.StatusBadRequest, "container is waiting to start: ImagePullBackOff")
			return
		}
		a.asked = append(a.asked, q.Encode())
		if n, err := strconv.Atoi(q.Get("limitBytes")); err == nil {
			text = text[:min(n, len(text))]
		}
		if n, err := strconv.Atoi(q.Get("tailLines")); err == nil {
			lines := strings.SplitAfter(text, "\n")
			text = strings.Join(lines[max(0, len(lines)-n-1):], "")
		}
		_, _ = w.Write([]byte(text))
		return
	}
	answer, ok := a.answers[r.URL.Path]
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "pods \"x\" not found")
	case strings.HasPrefix(answer, "403 "):
		refuse(w, http.StatusForbidden, answer[4:])
	default:
		_, _ = w.Write([]byte(answer))
	}
}

func refuse(w http.ResponseWriter, code int, message string) {
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"code":%d}`, message, code)
}

// driver returns a driver with a kubeconfig for a, allowed to read namespace jobs.
func driver(t *testing.T, a *api) pods.Driver {
	t.Helper()
	s := httptest.NewTLSServer(a)
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	config := `{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":"` + s.URL + `","certificate-authority-data":"` + ca + `"}}],
		"users":[{"name":"u","user":{"token":"t0ken"}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}]}`
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := source.ParsePrefix("k8s://jobs/")
	if err != nil {
		t.Fatal(err)
	}
	d, err := pods.New(source.Prefixes{p}, file)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func find(t *testing.T, d source.Driver, uri string) (source.Found, map[string]string, error) {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	found, err := d.Find(t.Context(), source.Ref{URL: u})
	texts := map[string]string{}
	for _, l := range found.Logs {
		w, err := window.Read(t.Context(), l)
		if err != nil {
			texts[l.Source] = "!" + err.Error()
			continue
		}
		texts[l.Source] = w.Head + w.Tail
	}
	return found, texts, err
}

const oomPod = `{"kind":"Pod","metadata":{"name":"etl","namespace":"jobs","uid":"u1"},
 "spec":{"nodeName":"node-7","containers":[{"name":"side"},{"name":"main","resources":{"limits":{"memory":"512Mi","cpu":"500m"}}}]},
 "status":{"phase":"Running","containerStatuses":[
  {"name":"side","restartCount":0,"state":{"running":{"startedAt":"2026-11-21T09:00:00Z"}},"lastState":{}},
  {"name":"main","restartCount":2,"state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 10s"}},
   "lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled","startedAt":"2026-11-21T09:00:01Z","finishedAt":"2026-11-21T09:05:00Z"}}}]}}`

const oomEvents = `{"kind":"EventList","items":[
 {"involvedObject":{"uid":"u1"},"type":"Warning","reason":"BackOff","message":"Back-off restarting\nfailed container","count":3,"firstTimestamp":"2026-11-21T09:04:00Z","lastTimestamp":"2026-11-21T09:05:10Z","eventTime":null},
 {"involvedObject":{"uid":"u1"},"type":"Normal","reason":"Scheduled","message":"Successfully assigned","eventTime":"2026-11-21T09:00:00.000000Z"},
 {"involvedObject":{"uid":"of an older pod"},"type":"Warning","reason":"Old","message":"old"}]}`

func TestPreviousContainerWithItsFacts(t *testing.T) {
	a := &api{answers: map[string]string{"/api/v1/namespaces/jobs/pods/etl": oomPod, "/api/v1/namespaces/jobs/events": oomEvents}, logs: map[string]string{"maintrue": "Killed\n", "side": "fine\n"}}
	found, texts, err := find(t, driver(t, a), "k8s://jobs/etl")
	if err != nil || texts["main"] != "Killed\n" || len(found.Logs) != 2 {
		t.Fatalf("found %q, %v", texts, err)
	}
	want := "Container main is waiting: CrashLoopBackOff back-off 10s\nContainer main terminated: reason: OOMKilled, exit code: 137\n" +
		"2026-11-21T09:00:00Z Normal Scheduled: Successfully assigned\n2026-11-21T09:05:10Z Warning BackOff: Back-off restarting failed container (3 times)\n"
	if texts["events"] != want || !found.Logs[1].Aside || found.Logs[1].URI != "k8s://jobs/etl#events" {
		t.Errorf("events = %q, want %q", texts["events"], want)
	}
	f := found.Facts
	if *f.ExitCode != 137 || f.Reason != failure.OutOfMemory || f.Proof != "Kubernetes: container main of pod jobs/etl ended as OOMKilled, exit code 137" || f.LimitBytes != 512<<20 || f.Node != "node-7" || f.End.IsZero() {
		t.Errorf("facts = %+v", f)
	}
	if _, texts, err := find(t, driver(t, a), "k8s://jobs/etl/side"); err != nil || texts["side"] != "fine\n" {
		t.Errorf("the other container = %q, %v", texts, err)
	}
}

func TestLongLogsAreReadFromBothEnds(t *testing.T) {
	long := "first\n" + strings.Repeat("0123456\n", 100_000) + "last\n"
	a := &api{answers: map[string]string{"/api/v1/namespaces/jobs/pods/etl": oomPod, "/api/v1/namespaces/jobs/events": `{}`}, logs: map[string]string{"maintrue": long}}
	_, texts, err := find(t, driver(t, a), "k8s://jobs/etl/main")
	if err != nil || !strings.HasPrefix(texts["main"], "first\n") || !strings.HasSuffix(texts["main"], "last\n") || len(texts["main"]) > 256<<10 {
		t.Errorf("log of %d bytes, %v", len(texts["main"]), err)
	}
	if strings.Join(a.asked, " ") != "container=main&limitBytes=262145&previous=true container=main&previous=true&tailLines=4915" {
		t.Errorf("asked %q", a.asked)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	waiting := `{"metadata":{"uid":"u1"},"status":{"phase":"Pending","containerStatuses":[{"name":"main","state":{"waiting":{"reason":"ImagePullBackOff","message":"no such image"}}}]}}`
	a := &api{answers: map[string]string{"/api/v1/namespaces/jobs/pods/etl": waiting, "/api/v1/namespaces/jobs/events": "403 events is forbidden"}}
	found, texts, err := find(t, driver(t, a), "k8s://jobs/etl")
	if err != nil || !strings.Contains(texts["main"], "waiting to start") || !strings.Contains(found.Note, "events is forbidden") || !strings.Contains(texts["events"], "ImagePullBackOff no such image") {
		t.Errorf("a pod that waits = %q, note %q, %v", texts, found.Note, err)
	}
	gone := &api{answers: map[string]string{"/api/v1/namespaces/jobs/events": oomEvents}}
	if found, texts, err := find(t, driver(t, gone), "k8s://jobs/etl"); err != nil || !strings.Contains(texts["events"], "BackOff") || !strings.Contains(found.Note, "not exist any more") {
		t.Errorf("a pod that is gone = %q, note %q, %v", texts, found.Note, err)
	}
	for uri, kind := range map[string]errs.Kind{
		"k8s://jobs/none": errs.NotFound, "k8s://kube-system/etl": errs.PermissionDenied, "k8s://jobs/": errs.Invalid, "k8s://jobs/a/b/c": errs.Invalid,
		"k8s://jobs/etl/none": errs.NotFound, "k8s://jobs/e%2Fx": errs.NotFound, "k8s://jobs/E": errs.Invalid,
	} {
		if _, _, err := find(t, driver(t, &api{answers: map[string]string{"/api/v1/namespaces/jobs/pods/etl": waiting, "/api/v1/namespaces/jobs/events": "{}"}}), uri); !errs.Is(err, kind) {
			t.Errorf("%s = %v (%v), want %v", uri, err, errs.KindOf(err), kind)
		}
	}
}

func TestAccessIsCheckedAtTheStart(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := pods.New(nil, ""); !errs.Is(err, errs.FailedPrecondition) || !strings.Contains(err.Error(), "--log-kubeconfig") {
		t.Errorf("New outside of a cluster = %v", err)
	}
	if _, err := pods.New(nil, filepath.Join(t.TempDir(), "none")); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("New without its file = %v", err)
	}
}
