package engine_test

import (
	"maps"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
)

func TestAConfigurationOfSizesHasThem(t *testing.T) {
	for _, tc := range []struct {
		name   string
		engine string
		sizes  map[engine.Part]int64
		cores  float64
	}{
		{"a process", engine.Process, map[engine.Part]int64{engine.Tree: 512 * mib}, 1.5},
		{"a heap in a tree that leaves it little", engine.JVM, map[engine.Part]int64{engine.Tree: 1100 * mib, engine.Heap: 1024 * mib}, 2},
		{"a heap without a limit", engine.JVM, map[engine.Part]int64{engine.Heap: 1024 * mib}, 0},
		{
			"all of Spark", engine.Spark,
			map[engine.Part]int64{
				engine.DriverResult: 3072 * mib, engine.DriverHeap: 2048 * mib, engine.ExecutorHeap: 4096 * mib,
				engine.Overhead: 512 * mib, engine.Python: 700 * mib,
			},
			4,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := engine.Lookup(tc.engine)
			if err != nil {
				t.Fatal(err)
			}
			config := p.Config(tc.sizes, tc.cores)
			got, err := p.Sizes(config)
			if err != nil {
				t.Fatal(err)
			}
			bytes := map[engine.Part]int64{}
			for part, size := range got {
				bytes[part] = size.Memory
				driver := part == engine.DriverHeap || part == engine.DriverResult
				if want := tc.cores; !driver && size.Cores != want {
					t.Errorf("%s has %g cores, want %g", part, size.Cores, want)
				}
			}
			if !maps.Equal(bytes, tc.sizes) {
				t.Errorf("sizes of %v = %v, want %v", config, bytes, tc.sizes)
			}
		})
	}
}

func TestAConfigurationOfNothingIsEmpty(t *testing.T) {
	for _, name := range engine.Names() {
		p, err := engine.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Config(map[engine.Part]int64{"other": 5, engine.Heap: 0}, 2); len(got) != 0 {
			t.Errorf("%s: configuration = %v, want none", name, got)
		}
	}
}
