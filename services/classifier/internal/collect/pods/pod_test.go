package pods

import (
	"encoding/json"
	"testing"
)

func TestQuantity(t *testing.T) {
	for s, want := range map[string]int64{
		"512Mi": 512 << 20, "1G": 1e9, "1.5Gi": 3 << 29, "1073741824": 1 << 30, "128974848000m": 128974848, "1e3": 1000, "": 0, "x": 0, "-1": 0, "NaN": 0, "1Zi": 0, "9e99": 0,
	} {
		if got := quantity(s); got != want {
			t.Errorf("quantity(%q) = %d, want %d", s, got, want)
		}
	}
}

func FuzzPod(f *testing.F) {
	f.Add([]byte(`{"status":{"containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":1}}},{"name":"b","lastState":{"terminated":{"signal":9}}}]}}`), []byte(`{"items":[{"series":{"count":2}}]}`))
	f.Fuzz(func(t *testing.T, status, list []byte) {
		var p pod
		var l eventList
		if json.Unmarshal(status, &p) != nil || json.Unmarshal(list, &l) != nil {
			return
		}
		if n := len(p.containers("")); n > maxContainers {
			t.Errorf("%d containers", n)
		}
		_ = p.story() + l.of(p.Metadata.UID)
		if e := p.facts(address{}); e.LimitBytes < 0 {
			t.Errorf("limit %d", e.LimitBytes)
		}
	})
}
