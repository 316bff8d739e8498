package advise_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/advise"
)

// cluster is nodes of four cores and 16 GB at $0.24 an hour each.
func cluster(nodes int) string {
	return fmt.Sprintf(`{"vm_type":"m4","nodes":%d,"cores_per_node":4,"mem_gb_per_node":16,"cores_total":%d,"mem_gb_total":%d,"usd_per_h":%g}`,
		nodes, 4*nodes, 16*nodes, 0.24*float64(nodes))
}

// ran tells of a job of 100 s that no cluster shares and 900 s of 32 cores.
func ran(nodes int) string {
	return fmt.Sprintf(`{"kind":"history","workload":"join","framework":"spark","data_size":"huge","input_bytes":1,"config":%s,"ok":true,"elapsed_s":%g}`,
		cluster(nodes), 100+900*8/float64(nodes))
}

// asks asks about a job that failed on some clusters, and may run on 2 to 64 nodes.
func asks(reason string, failed ...int) string {
	var past, candidates []string
	for _, nodes := range failed {
		past = append(past, fmt.Sprintf(`{"config":%s,"elapsed_s":3600,"reason":%q}`, cluster(nodes), reason))
	}
	for nodes := 2; nodes <= 64; nodes *= 2 {
		candidates = append(candidates, cluster(nodes))
	}
	return fmt.Sprintf(`{"kind":"choose","id":7,"workload":"pagerank","framework":"spark","data_size":"huge","failed":[%s],"candidates":[%s]}`,
		strings.Join(past, ","), strings.Join(candidates, ","))
}

// choose plays lines and returns the one answer.
func choose(t *testing.T, lines ...string) (action string, nodes int) {
	t.Helper()
	var out bytes.Buffer
	if err := advise.Run(t.Context(), strings.NewReader(strings.Join(lines, "\n")), &out, settings); err != nil {
		t.Fatal(err)
	}
	var a struct {
		ID, Index int
		Action    string
	}
	if err := json.Unmarshal(out.Bytes(), &a); err != nil || a.ID != 7 {
		t.Fatalf("answer = %q, %v", out.String(), err)
	}
	return a.Action, 2 << a.Index
}

func TestAClusterIsChosen(t *testing.T) {
	history := []string{ran(2), ran(4), ran(8), ran(16), ran(32)}
	for _, tc := range []struct {
		name string
		ask  string
		more int // nodes
	}{
		{"a timeout asks for more machines", asks("timeout", 4), 4},
		{"an error for more memory", asks("error", 4), 4},
		{"a second failure is not tried again", asks("timeout", 4, 8), 8},
	} {
		if action, nodes := choose(t, append(slices.Clone(history), tc.ask)...); action != "run" || nodes <= tc.more {
			t.Errorf("%s: %s on %d, want more than %d", tc.name, action, nodes, tc.more)
		}
	}
	if action, _ := choose(t, asks("timeout", 2)); action != "run" {
		t.Errorf("without any history: %s, want run", action)
	}
	if action, _ := choose(t, asks("error", 2, 4, 8, 16, 32, 64)); action != "stop" {
		t.Errorf("after failures on every cluster: %s, want stop", action)
	}
}

func TestLinesAboutClustersThatCannotBeAnswered(t *testing.T) {
	for name, line := range map[string]string{
		"nothing failed": asks("error"),
		"no workload":    strings.Replace(ran(2), "join", strings.Repeat("x", 200), 1),
		"no nodes":       strings.Replace(asks("error", 4), `"nodes":2`, `"nodes":0`, 1),
	} {
		if err := advise.Run(t.Context(), strings.NewReader(line), &bytes.Buffer{}, settings); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
