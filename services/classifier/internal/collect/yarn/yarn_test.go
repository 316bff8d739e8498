package yarn_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/web"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/window"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/yarn"
)

const (
	id     = "application_1700000000000_0042"
	master = "container_e17_1700000000000_0042_01_000001"
	failed = "container_e17_1700000000000_0042_01_000007"
	other  = "container_e17_1700000000000_0042_01_000003"
)

// cluster is a resource manager, a history server and a node manager in one.
type cluster struct {
	app    string            // the resource manager's answer, %s is the own URL
	list   string            // the history server's
	node   string            // the node manager's
	files  map[string]string // by container/file
	server *httptest.Server
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(s string) {
		if s == "" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(strings.ReplaceAll(s, "%s", c.server.URL)))
	}
	switch p := r.URL.Path; {
	case p == "/ws/v1/cluster/apps/"+id:
		answer(c.app)
	case p == "/ws/v1/history/aggregatedlogs" && r.URL.Query().Get("appid") == id:
		answer(c.list)
	case p == "/ws/v1/node/containers/"+master+"/logs":
		answer(c.node)
	default:
		name, ok := strings.CutPrefix(p, "/ws/v1/history/containerlogs/")
		if !ok {
			name = strings.TrimPrefix(p, "/ws/v1/node/containerlogs/")
		}
		text, ok := c.files[name]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		size, err := strconv.Atoi(r.URL.Query().Get("size"))
		if err == nil && size >= 0 {
			text = text[:min(size, len(text))]
		} else if err == nil {
			text = text[max(0, len(text)+size):]
		}
		kind := name[strings.LastIndexByte(name, '/')+1:]
		_, _ = fmt.Fprintf(w, "Container: %s on node-7_45454\nLogAggregationType: AGGREGATED\n%s\nLogType:%s\nLogLastModifiedTime:Sat Nov 21 09:00:00 +0000 2026\nLogLength:%d\nLogContents:\n%s\nEnd of LogType:%s\n%s\n\n",
			name, strings.Repeat("=", 90), kind, len(text), text, kind, strings.Repeat("*", 60))
	}
}

func (c *cluster) driver(t *testing.T, history bool) (yarn.Driver, string) {
	t.Helper()
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	own, err := source.ParsePrefix(c.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	prefix := own
	prefix.Scheme = "yarn+http"
	o := yarn.Options{Allow: source.Prefixes{prefix}, Client: web.New(web.Options{Allow: source.Prefixes{own}})}
	if history {
		u, err := url.Parse(c.server.URL)
		if err != nil {
			t.Fatal(err)
		}
		o.History = map[source.Prefix]*url.URL{prefix: u}
	}
	return yarn.New(o), "yarn+" + c.server.URL + "/" + id
}

func find(t *testing.T, d source.Driver, uri string) (source.Found, string, error) {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	found, err := d.Find(t.Context(), source.Ref{URL: u})
	var texts []string
	for _, l := range found.Logs {
		w, err := window.Read(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		if l.Trim != nil {
			w.Head, w.Tail = l.Trim(w.Head), l.Trim(w.Tail)
		}
		_, part, _ := strings.Cut(l.URI, "#")
		texts = append(texts, l.Source+"@"+part+"="+w.Head)
	}
	return found, strings.Join(texts, "|"), err
}

func app(state, aggregation, diagnostics string) string {
	return fmt.Sprintf(`{"app":{"id":%q,"state":%q,"finalStatus":"FAILED","diagnostics":%q,"amContainerLogs":"%%s/node/containerlogs/%s/etl","logAggregationStatus":%q,"startedTime":1700000000000,"finishedTime":1700000100000}}`,
		id, state, diagnostics, master, aggregation)
}

func TestAggregatedLogs(t *testing.T) {
	files := map[string]string{master + "/stderr": "am boom\n", master + "/stdout": "am out\n", failed + "/stderr": "executor boom\n", other + "/stderr": "fine\n"}
	entry := func(container, names string) string {
		return fmt.Sprintf(`{"containerLogInfo":%s,"logAggregationType":"AGGREGATED","containerId":%q,"nodeId":"node-7:45454"}`, names, container)
	}
	one := func(name string) string {
		return fmt.Sprintf(`{"fileName":%q,"fileSize":"12","lastModifiedTime":"x"}`, name)
	}
	entries := strings.Join([]string{
		entry(other, one("stderr")), entry(master, "["+one("launch_container.sh")+","+one("stdout")+","+one("stderr")+"]"), entry(failed, "["+one("stderr")+"]"), entry(failed, one("../../x")),
	}, ",")
	diagnostics := "Container " + failed + " exited with 143"
	for name, list := range map[string]string{
		"an object around the list": `{"containerLogsInfo":[` + entries + `]}`, "a bare list": `[` + entries + `]`,
		"objects in a list": `[{"containerLogsInfo":[` + entries + `]}]`,
	} {
		c := &cluster{app: app("FINISHED", "SUCCEEDED", diagnostics), list: list, files: files}
		d, uri := c.driver(t, true)
		found, got, err := find(t, d, uri)
		want := "stderr@=executor boom\n|stderr@" + master + "/stderr=am boom\n|stdout@" + master + "/stdout=am out\n|stderr@" + other + "/stderr=fine\n|diagnostics@diagnostics=" + id + " FINISHED FAILED: " + diagnostics + "\n"
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
		if found.Logs[0].Growing || found.Facts.End.UnixMilli() != 1700000100000 {
			t.Errorf("%s: growing %v, facts %+v", name, found.Logs[0].Growing, found.Facts)
		}
	}
}

func TestLongLogs(t *testing.T) {
	long := "first\n" + strings.Repeat("0123456\n", 100_000) + "last\n"
	c := &cluster{app: app("FINISHED", "SUCCEEDED", ""), list: `{"containerLogsInfo":{"containerLogInfo":{"fileName":"stderr"},"containerId":"` + master + `"}}`, files: map[string]string{master + "/stderr": long}}
	d, uri := c.driver(t, true)
	u, _ := url.Parse(uri)
	found, err := d.Find(t.Context(), source.Ref{URL: u})
	if err != nil {
		t.Fatal(err)
	}
	l := found.Logs[0]
	w, err := window.Read(t.Context(), l)
	if head, tail := l.Trim(w.Head), l.Trim(w.Tail); err != nil || !w.Cut || !strings.HasPrefix(head, "first\n") || !strings.HasSuffix(tail, "last\n") {
		t.Errorf("%d and %d bytes, %v", len(head), len(tail), err)
	}
}

func TestWithoutHistory(t *testing.T) {
	c := &cluster{
		app: app("RUNNING", "NOT_START", ""), node: `[{"containerLogsInfo":{"containerLogInfo":[{"fileName":"stderr","fileSize":"5"}]}}]`, files: map[string]string{master + "/stderr": "am boom\n"},
	}
	d, uri := c.driver(t, false)
	found, got, err := find(t, d, uri)
	if err != nil || got != "stderr@=am boom\n" || !found.Logs[0].Growing {
		t.Errorf("found %q, %v", got, err)
	}
	// A history server that has nothing yet leads there as well.
	d, uri = c.driver(t, true)
	if _, got, err := find(t, d, uri); err != nil || got != "stderr@=am boom\n" {
		t.Errorf("found %q, %v", got, err)
	}
	c.node, c.app = "", app("FAILED", "FAILED", "AM Container for appattempt exited with exitCode: 13")
	if found, got, err := find(t, d, uri); err != nil || !strings.Contains(got, "exitCode: 13") || found.Note == "" || !found.Logs[0].Aside {
		t.Errorf("with diagnostics alone: %q, %q, %v", got, found.Note, err)
	}
	c.app = app("FAILED", "FAILED", "")
	if _, _, err := find(t, d, uri); !errs.Is(err, errs.NotFound) {
		t.Errorf("without anything = %v", err)
	}
}

func TestNodesMustBeAllowed(t *testing.T) {
	c := &cluster{app: strings.ReplaceAll(app("RUNNING", "NOT_START", ""), "%s", "http://169.254.169.254:8042")}
	d, uri := c.driver(t, false)
	if _, _, err := find(t, d, uri); !errs.Is(err, errs.PermissionDenied) {
		t.Errorf("a node manager elsewhere = %v", err)
	}
	for bad, kind := range map[string]errs.Kind{
		"/x": errs.Invalid, "/" + id + "/container_x": errs.Invalid, "/" + id + "/../x": errs.PermissionDenied, "/application_1_1": errs.NotFound,
	} {
		if _, _, err := find(t, d, strings.TrimSuffix(uri, "/"+id)+bad); !errs.Is(err, kind) {
			t.Errorf("%s = %v, want %v", bad, err, kind)
		}
	}
}
