package engine_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

type config = map[string]any

func lookup(t testing.TB, name string) engine.Profile {
	t.Helper()
	p, err := engine.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLookupOfAnUnknownEngineListsTheKnownOnes(t *testing.T) {
	_, err := engine.Lookup("ray")
	if want := `type.engine: "ray" is not an engine; it must be one of jvm, process, spark`; err == nil || err.Error() != want {
		t.Errorf("Lookup error = %v, want %s", err, want)
	}
}

const mib, gib = 1 << 20, 1 << 30

func TestProcessLimit(t *testing.T) {
	for _, tc := range []struct {
		name, engine string
		config       config
		want         int64
	}{
		{"no limit", engine.Process, config{"input": "a.csv"}, 0},
		{"limit of a process", engine.Process, config{"memory_mb": 512.0}, 512 * mib},
		{"an int is as good as a float64", engine.Process, config{"memory_mb": 512}, 512 * mib},
		{"a heap is not a limit of the tree", engine.JVM, config{"heap_mb": 512.0}, 0},
		{"limit of a JVM's tree", engine.JVM, config{"heap_mb": 512.0, "memory_mb": 900.0}, 900 * mib},
		{"Spark's limits are enforced by its cluster", engine.Spark, config{"spark.driver.memory": "4g"}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := lookup(t, tc.engine).ProcessLimit(tc.config)
			if err != nil || got != tc.want {
				t.Errorf("ProcessLimit = %d, %v, want %d", got, err, tc.want)
			}
		})
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	for _, tc := range []struct {
		name, engine, want string
		config             config
	}{
		{
			"fraction", engine.Process,
			"config.memory_mb: 512.5 is not a whole number of MiB between 4 and 33554432",
			config{"memory_mb": 512.5},
		},
		{
			"text", engine.Process,
			`config.memory_mb: "512" is not a whole number of MiB between 4 and 33554432`,
			config{"memory_mb": "512"},
		},
		{
			"negative", engine.JVM,
			"config.heap_mb: -1 is out of range: a whole number of MiB between 2 and 33554432",
			config{"heap_mb": -1.0},
		},
		{
			"null", engine.Process,
			"config.cores: null is not a number between 0.01 and 1024",
			config{"cores": nil},
		},
		{
			"unknown suffix", engine.Spark,
			`config.spark.executor.memory: "4x" is not a size such as "512m" or "4g" (without a suffix in MiB) between "4m" and "32768g"`,
			config{"spark.executor.memory": "4x"},
		},
		{
			"fraction of a size", engine.Spark,
			`config.spark.executor.memory: "1.5g" is not a size such as "512m" or "4g" (without a suffix in MiB) between "4m" and "32768g"`,
			config{"spark.executor.memory": "1.5g"},
		},
		{
			"half a core", engine.Spark,
			"config.spark.executor.cores: 0.5 is not a whole number between 1 and 1024",
			config{"spark.executor.cores": 0.5},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := lookup(t, tc.engine).Validate(tc.config)
			if err == nil || err.Error() != tc.want {
				t.Errorf("Validate = %v\nwant %s", err, tc.want)
			}
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("kind = %v, want Invalid", errs.KindOf(err))
			}
		})
	}
}

func TestAllBadValuesAreNamedAtOnce(t *testing.T) {
	err := lookup(t, engine.Spark).Validate(config{"spark.driver.memory": "x", "spark.driver.cores": "y"})
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || len(e.Violations) != 2 {
		t.Errorf("Validate = %v, want two violations", err)
	}
}

func TestChanges(t *testing.T) {
	for _, tc := range []struct {
		name, engine     string
		original, wanted config
		want             []engine.Operation
	}{
		{
			"a replace is guarded by the original value", engine.Process,
			config{"memory_mb": 512.0, "x": 1.0},
			config{"memory_mb": 1024.0, "x": 1.0},
			[]engine.Operation{{"test", "/memory_mb", 512.0}, {"replace", "/memory_mb", 1024.0}},
		},
		{
			"what is absent is added", engine.Process,
			config{},
			config{"memory_mb": 1024.0},
			[]engine.Operation{{"add", "/memory_mb", 1024.0}},
		},
		{
			"what is taken away is guarded", engine.Process,
			config{"memory_mb": 512.0},
			config{},
			[]engine.Operation{{"test", "/memory_mb", 512.0}, {Op: "remove", Path: "/memory_mb"}},
		},
		{
			"the same value written differently is no change", engine.Spark,
			config{"spark.executor.memory": "4g"},
			config{"spark.executor.memory": "4096m"},
			nil,
		},
		{
			"other members are not the profile's business", engine.Process,
			config{"x": 1.0},
			config{"x": 2.0},
			nil,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := lookup(t, tc.engine).Changes(tc.original, tc.wanted)
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("Changes = %v, %v, want %v", got, err, tc.want)
			}
		})
	}
}

func TestOverrides(t *testing.T) {
	own := config{"heap_mb": 800.0, "memory_mb": 1024.0}
	for name, tc := range map[string]struct {
		before, wanted config
		want           []engine.Operation
	}{
		"as it always was":            {own, own, nil},
		"raised":                      {own, config{"heap_mb": 800.0, "memory_mb": 2048.0}, []engine.Operation{{"test", "/memory_mb", 1024.0}, {"replace", "/memory_mb", 2048.0}}},
		"its own again":               {config{"heap_mb": 800.0, "memory_mb": 900.0}, own, []engine.Operation{{"test", "/memory_mb", 1024.0}, {"replace", "/memory_mb", 1024.0}}},
		"one again and another other": {config{"heap_mb": 600.0, "memory_mb": 900.0}, config{"heap_mb": 800.0, "memory_mb": 2048.0}, []engine.Operation{{"test", "/heap_mb", 800.0}, {"replace", "/heap_mb", 800.0}, {"test", "/memory_mb", 1024.0}, {"replace", "/memory_mb", 2048.0}}},
		"lowered, and stays so":       {config{"heap_mb": 800.0, "memory_mb": 900.0}, config{"heap_mb": 800.0, "memory_mb": 900.0}, []engine.Operation{{"test", "/memory_mb", 1024.0}, {"replace", "/memory_mb", 900.0}}},
	} {
		got, err := lookup(t, engine.JVM).Overrides(own, tc.before, tc.wanted)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: Overrides = %v, %v, want %v", name, got, err, tc.want)
		}
	}
	if _, err := lookup(t, engine.JVM).Overrides(own, config{"memory_mb": "lots"}, own); !errs.Is(err, errs.Invalid) {
		t.Errorf("Overrides of what is no configuration = %v, want Invalid", err)
	}
}

func TestAllowed(t *testing.T) {
	p := lookup(t, engine.Spark)
	for path, want := range map[string]bool{
		"/spark.executor.memory":         true,
		"/spark.executor.memoryOverhead": true,
		"/spark.memory.offHeap.enabled":  false,
		"/spark.jars":                    false,
		"/spark.executor.memory/0":       false,
		"spark.executor.memory":          false,
		"":                               false,
		"/":                              false,
	} {
		if _, ok := p.Allowed(path); ok != want {
			t.Errorf("Allowed(%q) = %v, want %v", path, ok, want)
		}
	}
	b, _ := p.Allowed("/spark.executor.memory")
	if err := b.Check("patch.operations[1].value", "4x"); !errs.Is(err, errs.Invalid) {
		t.Errorf("Check of 4x = %v, want Invalid", err)
	}
	if bytes, isMemory, err := b.Memory("v", "4g"); bytes != 4*gib || !isMemory || err != nil {
		t.Errorf("Memory of 4g = %d, %v, %v", bytes, isMemory, err)
	}
}

func TestPointersAreEscaped(t *testing.T) {
	const member = "a/b~c~1d"
	if got, want := engine.Pointer(member), "/a~1b~0c~01d"; got != want {
		t.Errorf("Pointer = %q, want %q", got, want)
	}
	if got := engine.Unescape(engine.Pointer(member)[1:]); got != member {
		t.Errorf("Unescape = %q, want %q", got, member)
	}
}

func TestTheKeyThatALogNamesSaysWhatRanOut(t *testing.T) {
	for _, tc := range []struct {
		engine, setting string
		config          config
		class           failure.Class
		want            engine.Part
	}{
		{engine.Spark, "spark.driver.maxResultSize", nil, failure.MemoryDriver, engine.DriverResult},
		{engine.Spark, "maxResultSize", nil, failure.MemoryDriver, engine.DriverResult},
		{engine.Spark, "maxResultSize", config{"spark.driver.maxResultSize": "0"}, failure.MemoryDriver, engine.DriverHeap}, // it has no limit
		{engine.Spark, "spark.executor.memoryOverhead", nil, failure.MemoryContainer, engine.Overhead},
		{engine.Spark, "spark.executor.memory", nil, failure.MemoryContainer, engine.ExecutorHeap},
		{engine.Spark, "Size", nil, failure.MemoryDriver, engine.DriverHeap},
		{engine.Spark, "spark.executor.cores", nil, failure.MemoryDriver, engine.DriverHeap},
		{engine.Spark, "spark.driver.maxResultSize", nil, failure.MemoryGPU, engine.DriverResult},
		{engine.Spark, "spark.driver.maxResultSize", nil, failure.CodeBug, engine.Overhead},
		{engine.Process, "spark.driver.maxResultSize", nil, failure.MemoryDriver, engine.Tree},
	} {
		s, err := lookup(t, tc.engine).Setting(tc.config, engine.Cause{Class: tc.class, Setting: tc.setting}, 0)
		if err != nil || s.Part != tc.want {
			t.Errorf("%s %s %s %v: part = %q, %v, want %q", tc.engine, tc.class, tc.setting, tc.config, s.Part, err, tc.want)
		}
	}
}

func TestPartsOfClasses(t *testing.T) {
	for _, tc := range []struct {
		engine string
		config config
		class  failure.Class
		want   engine.Part
	}{
		{engine.Process, nil, failure.MemoryPython, engine.Tree},
		{engine.Process, nil, failure.Unknown, engine.Tree},
		{engine.Process, nil, failure.MemoryGPU, engine.NoPart},
		{engine.JVM, nil, failure.MemoryDriver, engine.Tree},
		{engine.JVM, config{"heap_mb": 64.0}, failure.MemoryDriver, engine.Heap},
		{engine.JVM, config{"heap_mb": 64.0}, failure.MemoryContainer, engine.Tree},
		{engine.Spark, nil, failure.MemoryDriver, engine.DriverHeap},
		{engine.Spark, nil, failure.MemoryExecutor, engine.ExecutorHeap},
		{engine.Spark, nil, failure.MemoryContainer, engine.Overhead},
		{engine.Spark, nil, failure.MemoryPython, engine.Overhead},
		{engine.Spark, config{"spark.executor.pyspark.memory": "1g"}, failure.MemoryPython, engine.Python},
		{engine.Spark, nil, failure.MemoryGPU, engine.NoPart},
	} {
		p := lookup(t, tc.engine)
		s, err := p.Setting(tc.config, engine.Cause{Class: tc.class}, 0)
		if err != nil || s.Part != tc.want {
			t.Errorf("%s %v %s: part = %q, %v, want %q", tc.engine, tc.config, tc.class, s.Part, err, tc.want)
		}
		sizes, err := p.Sizes(tc.config)
		if got := p.PartOf(engine.Cause{Class: tc.class}, func(part engine.Part) bool { return sizes[part].Memory > 0 }); err != nil || got != tc.want {
			t.Errorf("%s %v %s: part by sizes = %q, %v, want %q", tc.engine, tc.config, tc.class, got, err, tc.want)
		}
	}
}
