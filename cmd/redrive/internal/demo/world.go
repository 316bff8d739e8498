package demo

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// world is what the jobs of the demo depend on: a service that is away for a
// while, one that refuses until a permission is given, and somebody on call.
type world struct {
	server   *http.Server
	listener net.Listener
	told     func(notification)

	mu       sync.Mutex
	requests int  // to /export
	granted  bool // whether /query answers
}

// notification is what somebody on call reads of an alert.
type notification struct {
	Action   string `json:"action"`
	Severity string `json:"severity"`
	Alert    struct {
		Job       string `json:"job"`
		Class     string `json:"class"`
		Summary   string `json:"summary"`
		Action    string `json:"action"`
		Runbook   string `json:"runbook"`
		WillRetry bool   `json:"will_retry"`
	} `json:"alert"`
}

func newWorld() (*world, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &world{listener: l}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /export", w.export)
	mux.HandleFunc("GET /import", w.export)
	mux.HandleFunc("GET /query", w.query)
	mux.HandleFunc("POST /alerts", w.alert)
	w.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = w.server.Serve(l) }() // ends with close
	return w, nil
}

func (w *world) close() { _ = w.server.Close() } // nothing is lost with it

func (w *world) url(path string) string { return "http://" + w.listener.Addr().String() + path }

// export is away for the first two requests.
func (w *world) export(rw http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	w.requests++
	away := w.requests <= 2
	w.mu.Unlock()
	if away {
		http.Error(rw, "backend is restarting", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(rw, "id,name\n1,Ada\n2,Grace\n") // a client that is gone
}

// awayAgain makes export away for the next two requests.
func (w *world) awayAgain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = 0
}

func (w *world) query(rw http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	granted := w.granted
	w.mu.Unlock()
	if !granted {
		http.Error(rw, "role etl has no SELECT on table orders", http.StatusForbidden)
		return
	}
	_, _ = io.WriteString(rw, "42 rows\n") // a client that is gone
}

// grant gives the permission that query asks for.
func (w *world) grant() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.granted = true
}

func (w *world) alert(rw http.ResponseWriter, r *http.Request) {
	var n notification
	if err := json.NewDecoder(http.MaxBytesReader(rw, r.Body, 1<<20)).Decode(&n); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.told(n)
}
