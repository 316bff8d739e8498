package patch

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

type config = map[string]any

var target = Target{Job: "jobs/etl-7", Type: etlType}

func ofJob(t testing.TB, id string, ops ...Operation) Patch {
	return mustNew(t, id, func(d *Draft) { d.Operations = ops })
}

func ofType(t testing.TB, id string, ops ...Operation) Patch {
	return mustNew(t, id, func(d *Draft) { d.Operations, d.Scope = ops, Scope{Type: d.Type} })
}

func TestResolve(t *testing.T) {
	byJob, byType := ofJob(t, "p1", raise(512, 1024)...), ofType(t, "p2", raise(512, 2048)...)
	changed := func(p Patch, f func(*Patch)) Patch { f(&p); return p }
	newer := changed(ofJob(t, "p0", raise(512, 3072)...), func(p *Patch) { p.Created = p.Created.Add(time.Second) })
	for _, tc := range []struct {
		name     string
		patches  []Patch
		original config
		ceil     Ceilings
		want     config
		applied  string   // ids
		skipped  []string // id and a part of the reason
	}{
		{"no patch", nil, config{"memory_mb": 512.0}, Ceilings{}, config{"memory_mb": 512.0}, "", nil},
		{"no configuration", nil, nil, Ceilings{}, config{}, "", nil},
		{"of the job", []Patch{byJob}, config{"memory_mb": 512.0, "x": "y"}, Ceilings{}, config{"memory_mb": 1024.0, "x": "y"}, "p1", nil},
		{"of the type", []Patch{byType}, config{"memory_mb": 512.0}, Ceilings{}, config{"memory_mb": 2048.0}, "p2", nil},
		{
			"the more specific wins",
			[]Patch{byType, byJob},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 1024.0},
			"p1",
			[]string{"p2 /memory_mb is overridden by patches/p1"},
		},
		{
			"a job may have its own again",
			[]Patch{ofType(t, "p2", raise(512, 384)...), ofJob(t, "p1", raise(512, 512)...)},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 512.0},
			"p1",
			[]string{"p2 /memory_mb is overridden by patches/p1"},
		},
		{
			"different members add up",
			[]Patch{byJob, ofType(t, "p3", Operation{"add", "/cores", 2.0})},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 1024.0, "cores": 2.0},
			"p1 p3", nil,
		},
		{
			"overridden in one member is overridden as a whole",
			[]Patch{byJob, ofType(t, "p3", append(raise(512, 4096), Operation{"add", "/cores", 2.0})...)},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 1024.0},
			"p1",
			[]string{"p3 /memory_mb is overridden by patches/p1"},
		},
		{
			"one that does not apply overrides nothing",
			[]Patch{ofJob(t, "p1", raise(256, 1024)...), byType},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 2048.0},
			"p2",
			[]string{"p1 /memory_mb is 512, the patch was made for 256"},
		},
		{
			"the newer wins",
			[]Patch{byJob, newer},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 3072.0},
			"p0",
			[]string{"p1 /memory_mb is overridden by patches/p0"},
		},
		{
			"guards are on the original, whatever a patch before has made",
			[]Patch{byJob, ofType(t, "p3", Operation{"test", "/memory_mb", 512.0}, Operation{"add", "/cores", 2.0})},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 1024.0, "cores": 2.0},
			"p1 p3", nil,
		},
		{
			"add does not replace",
			[]Patch{ofJob(t, "p1", Operation{"add", "/memory_mb", 1024.0})},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 512.0},
			"",
			[]string{"p1 /memory_mb is set already"},
		},
		{
			"a null member is not absent",
			[]Patch{ofJob(t, "p1", Operation{"add", "/memory_mb", 1024.0})},
			config{"memory_mb": nil},
			Ceilings{},
			config{"memory_mb": nil},
			"",
			[]string{"p1 /memory_mb is set already"},
		},
		{
			"replace does not add",
			[]Patch{byJob},
			config{},
			Ceilings{},
			config{},
			"",
			[]string{"p1 /memory_mb is not set"},
		},
		{
			"a test of null wants the member to exist",
			[]Patch{ofJob(t, "p1", Operation{"test", "/cores", nil}, Operation{"add", "/memory_mb", 1024.0})},
			config{},
			Ceilings{},
			config{},
			"",
			[]string{"p1 /cores is not set"},
		},
		{
			"remove",
			[]Patch{ofJob(t, "p1", Operation{"test", "/cores", 2.0}, Operation{Op: "remove", Path: "/cores"})},
			config{"cores": 2.0},
			Ceilings{},
			config{},
			"p1", nil,
		},
		{
			"an int is the number that it is",
			[]Patch{byJob},
			config{"memory_mb": 512},
			Ceilings{},
			config{"memory_mb": 1024.0},
			"p1", nil,
		},
		{
			"values of other members are not told",
			[]Patch{ofJob(t, "p1", append([]Operation{{"test", "/env/key", "a"}}, raise(512, 1024)...)...)},
			config{"memory_mb": 512.0, "env": config{"key": "s3cret"}},
			Ceilings{},
			config{"memory_mb": 512.0, "env": config{"key": "s3cret"}},
			"",
			[]string{"p1 /env/key has another value"},
		},
		{
			"ceilings are checked again",
			[]Patch{byJob},
			config{"memory_mb": 512.0},
			Ceilings{Memory: 1 << 29},
			config{"memory_mb": 512.0},
			"",
			[]string{"p1 operations[1].value: 1024 is beyond the ceiling of 512m"},
		},
		{
			"the allow-list is checked again",
			[]Patch{changed(byJob, func(p *Patch) { p.Operations = []Operation{{"add", "/args", "rm"}} })},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 512.0},
			"",
			[]string{`p1 operations[0].path: "/args" may not be changed`},
		},
		{
			"an engine that is gone",
			[]Patch{changed(byJob, func(p *Patch) { p.Type.Engine = "ray" })},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 512.0},
			"",
			[]string{"p1 it was made for type etl/load on engine ray"},
		},
		{
			"a configuration that would be wrong",
			[]Patch{byJob},
			config{"memory_mb": 512.0, "cores": "many"},
			Ceilings{},
			config{"memory_mb": 512.0, "cores": "many"},
			"",
			[]string{"p1 the configuration would be wrong: config.cores"},
		},
		{
			"a wrong value may be put right",
			[]Patch{ofJob(t, "p1", Operation{"test", "/cores", "many"}, Operation{"replace", "/cores", 2.0})},
			config{"cores": "many"},
			Ceilings{},
			config{"cores": 2.0},
			"p1", nil,
		},
		{
			"revoked",
			[]Patch{changed(byJob, func(p *Patch) { p.State = Revoked })},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 512.0},
			"",
			[]string{"p1 it is revoked"},
		},
		{
			"expired, though nobody wrote it down",
			[]Patch{changed(byJob, func(p *Patch) { p.Expires = now })},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 512.0},
			"",
			[]string{"p1 it expired at 2026-03-01T12:00:00Z"},
		},
		{
			"of the job but made for another type",
			[]Patch{changed(byJob, func(p *Patch) { p.Type.Step = "extract" })},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 512.0},
			"",
			[]string{"p1 it was made for type etl/extract"},
		},
		{
			"out of scope is not even told",
			[]Patch{changed(byJob, func(p *Patch) { p.Scope.Job = "jobs/other" }), changed(byType, func(p *Patch) { p.Scope.Type.Step = "extract" })},
			config{"memory_mb": 512.0},
			Ceilings{},
			config{"memory_mb": 512.0},
			"", nil,
		},
		{"told twice applies once", []Patch{byJob, byJob}, config{"memory_mb": 512.0}, Ceilings{}, config{"memory_mb": 1024.0}, "p1", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Resolve(tc.patches, target, tc.original, tc.ceil, now)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Config, tc.want) {
				t.Errorf("config = %v, want %v", got.Config, tc.want)
			}
			if ids := strings.ReplaceAll(strings.Join(got.Applied, " "), "patches/", ""); ids != tc.applied {
				t.Errorf("applied = %q, want %q", ids, tc.applied)
			}
			if len(got.Skipped) != len(tc.skipped) {
				t.Fatalf("skipped = %q, want %q", got.Skipped, tc.skipped)
			}
			for i, s := range got.Skipped {
				if told := strings.TrimPrefix(s.Patch, "patches/") + " " + s.Reason; !strings.Contains(told, tc.skipped[i]) {
					t.Errorf("skipped %q, want %q", told, tc.skipped[i])
				}
			}
		})
	}
}

func TestResolveForAnyJobOfAType(t *testing.T) {
	got, err := Resolve([]Patch{ofJob(t, "p1", raise(512, 1024)...), ofType(t, "p2", raise(512, 2048)...)}, Target{Type: etlType}, config{"memory_mb": 512.0}, Ceilings{}, now)
	if err != nil || got.Config["memory_mb"] != 2048.0 || len(got.Applied) != 1 {
		t.Errorf("Resolve = %+v, %v, want the type's patch alone", got, err)
	}
}

func TestResolveOfAnUnknownEngineChangesNothing(t *testing.T) {
	got, err := Resolve(nil, Target{Type: failure.Type{Workflow: "a", Step: "b", Engine: "ray"}}, config{"gpus": 1.0}, Ceilings{}, now)
	if err != nil || !reflect.DeepEqual(got.Config, config{"gpus": 1.0}) {
		t.Errorf("Resolve = %+v, %v", got, err)
	}
}

func TestResolveOfSparkKeys(t *testing.T) {
	spark := failure.Type{Workflow: "etl", Step: "join", Engine: engine.Spark}
	p := mustNew(t, "p1", func(d *Draft) {
		d.Type, d.Scope = spark, Scope{Type: spark}
		d.Operations = []Operation{{"test", "/spark.executor.memory", "4g"}, {"replace", "/spark.executor.memory", "6g"}}
	})
	got, err := Resolve([]Patch{p}, Target{Type: spark}, config{"spark.executor.memory": "4g"}, Ceilings{}, now)
	if err != nil || got.Config["spark.executor.memory"] != "6g" {
		t.Errorf("Resolve = %+v, %v", got, err)
	}
}

func TestResolveRefusesWhatIsNoConfiguration(t *testing.T) {
	for name, original := range map[string]config{
		"not JSON":  {"x": math.Inf(1)},
		"too large": {"x": strings.Repeat("x", MaxConfig)},
	} {
		if _, err := Resolve(nil, target, original, Ceilings{}, now); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
}

func TestResolveLeavesTheOriginalAlone(t *testing.T) {
	original := config{"memory_mb": 512.0, "list": []any{1.0}}
	got, err := Resolve([]Patch{ofJob(t, "p1", raise(512, 1024)...)}, target, original, Ceilings{}, now)
	if err != nil {
		t.Fatal(err)
	}
	got.Config["list"].([]any)[0] = 2.0
	if want := (config{"memory_mb": 512.0, "list": []any{1.0}}); !reflect.DeepEqual(original, want) {
		t.Errorf("original = %v, want %v", original, want)
	}
}

func TestReasonsAreShortAndOnOneLine(t *testing.T) {
	p := ofJob(t, "p1", raise(512, 1024)...)
	for range 30 {
		p.Operations = append(p.Operations, Operation{"add", "/" + strings.Repeat("x", 60), 1.0})
	}
	got, err := Resolve([]Patch{p}, target, config{"memory_mb": 512.0}, Ceilings{}, now)
	if err != nil || len(got.Skipped) != 1 {
		t.Fatalf("Resolve = %+v, %v", got, err)
	}
	if r := got.Skipped[0].Reason; len(r) > maxSentence+len("…") || strings.Contains(r, "\n") {
		t.Errorf("reason of %d bytes: %q", len(r), r)
	}
}
