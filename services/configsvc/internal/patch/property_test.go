package patch

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
)

// world makes random patches and configurations over few values, so that they
// often meet, and now and then something that is wrong.
type world struct{ *rand.Rand }

func (w world) rarely() bool { return w.IntN(12) == 0 }

func (w world) value() any { return float64(512 * (1 + w.IntN(2))) }

func (w world) config() config {
	c := config{"note": "text"}
	for _, name := range []string{"memory_mb", "cores", "heap_mb", "other"} {
		switch {
		case w.rarely():
			c[name] = config{"a": w.value()}
		case w.IntN(3) > 0:
			c[name] = w.value()
		}
	}
	return c
}

func (w world) operations() []Operation {
	paths := []string{"/memory_mb", "/cores", "/heap_mb"}
	w.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	if w.rarely() {
		paths[0] = []string{"/other", "/other/a", "", "/~", paths[1]}[w.IntN(5)]
	}
	var ops []Operation
	for _, path := range paths[:1+w.IntN(2)] {
		change := []Operation{{"add", path, w.value()}, {"replace", path, w.value()}, {Op: "remove", Path: path}}[w.IntN(3)]
		if (change.Op != "add") != w.rarely() {
			ops = append(ops, Operation{"test", path, w.value()})
		}
		ops = append(ops, change)
	}
	return ops
}

func (w world) patch(id string) Patch {
	p := Patch{
		ID: id, Type: etlType, Operations: w.operations(), State: Active,
		Created: now.Add(-time.Duration(w.IntN(3)) * time.Hour), Expires: now.Add(time.Hour),
	}
	p.Type.Engine = w.engine()
	p.Scope.Job = "jobs/etl-7"
	switch {
	case w.rarely():
		p.Scope.Job = "jobs/etl-8"
	case w.IntN(2) == 0:
		p.Scope = Scope{Type: p.Type}
	}
	if w.rarely() {
		p.State = State(1 + w.IntN(6))
	}
	if w.rarely() {
		p.Expires = now
	}
	return p
}

func (w world) engine() string {
	if w.IntN(4) == 0 {
		return engine.Process
	}
	return engine.JVM
}

func (w world) target() Target {
	t := Target{Job: "jobs/etl-7", Type: etlType}
	t.Type.Engine = w.engine()
	return t
}

func TestPropertiesOfResolve(t *testing.T) {
	applied, skipped, several := 0, 0, 0
	for seed := range uint64(3000) {
		w := world{rand.New(rand.NewPCG(seed, 1))}
		var patches []Patch
		byName := map[string]Patch{}
		for i := range w.IntN(6) {
			p := w.patch(fmt.Sprintf("p%d", i))
			patches, byName[p.Name()] = append(patches, p), p
		}
		to, original := w.target(), w.config()
		got, err := Resolve(patches, to, original, Ceilings{}, now)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		shuffled := slices.Clone(patches)
		w.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if again, _ := Resolve(shuffled, to, original, Ceilings{}, now); !reflect.DeepEqual(again, got) {
			t.Fatalf("seed %d: the order of the patches matters:\n%+v\n%+v", seed, got, again)
		}
		check(t, seed, to, original, got, byName)
		applied, skipped = applied+len(got.Applied), skipped+len(got.Skipped)
		if len(got.Applied) > 1 {
			several++
		}
	}
	if applied < 300 || skipped < 1000 || several < 30 {
		t.Errorf("%d applied, %d skipped, %d times several: the properties were hardly tested", applied, skipped, several)
	}
}

// check holds an answer of Resolve against what a patch may do at all, said in
// another way than Resolve says it.
func check(t *testing.T, seed uint64, to Target, original config, got Resolution, byName map[string]Patch) {
	t.Helper()
	touched := map[string]string{} // member → patch
	wider := false
	for _, name := range got.Applied {
		p := byName[name]
		switch {
		case p.State != Active || !now.Before(p.Expires):
			t.Errorf("seed %d: %s is %v and applied", seed, name, p.State)
		case p.Scope.Job != "" && p.Scope.Job != to.Job, p.Type != to.Type:
			t.Errorf("seed %d: %s is out of scope and applied", seed, name)
		case p.Scope.OfJob() && wider:
			t.Errorf("seed %d: %s is of a job and comes after one of a type", seed, name)
		}
		wider = wider || !p.Scope.OfJob()
		for _, o := range p.Operations {
			value, there := original[o.Path[1:]]
			switch {
			case o.Op == "test" && (!there || value != o.Value):
				t.Errorf("seed %d: %s applied although %s is %v, not %v", seed, name, o.Path, value, o.Value)
			case o.Op == "add" && there:
				t.Errorf("seed %d: %s added %s, which was there", seed, name, o.Path)
			}
			if o.Op == "test" {
				continue
			}
			member := o.Path[1:]
			if by, taken := touched[member]; taken {
				t.Errorf("seed %d: %s changed by %s and %s", seed, member, by, name)
			}
			touched[member] = name
			if now, there := got.Config[member]; there != (o.Op != "remove") || there && now != o.Value {
				t.Errorf("seed %d: %s is %v after %v", seed, member, now, o)
			}
		}
	}
	for member, value := range original {
		if _, ok := touched[member]; !ok && !reflect.DeepEqual(got.Config[member], value) {
			t.Errorf("seed %d: %s went from %v to %v, and no patch says so", seed, member, value, got.Config[member])
		}
	}
	for member := range got.Config {
		if _, was := original[member]; !was && touched[member] == "" {
			t.Errorf("seed %d: %s appeared, and no patch says so", seed, member)
		}
	}
}
