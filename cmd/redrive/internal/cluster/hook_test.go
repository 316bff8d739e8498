//go:build cluster

package cluster

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// hook is a receiver of notifications.
type hook struct {
	url string

	mu sync.Mutex
	// told are the notifications about one alert in the order in which they
	// first came, by the alert's name.
	told map[string][]notification
	// repeated counts those that came once more.
	repeated map[string]int // by key
}

// notification is what the tests read of one.
type notification struct {
	Key, Action, Severity string
	Alert                 struct{ Name string }
}

func newHook(t testing.TB) *hook {
	h := &hook{told: map[string][]notification{}, repeated: map[string]int{}}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// ServeHTTP implements http.Handler.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var n notification
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil || n.Key == "" {
		http.Error(w, "no notification", http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, known := range h.told[n.Alert.Name] {
		if known.Key == n.Key {
			h.repeated[n.Key]++
			return
		}
	}
	h.told[n.Alert.Name] = append(h.told[n.Alert.Name], n)
}
