package patch

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
)

func profile(t testing.TB, name string) engine.Profile {
	t.Helper()
	p, err := engine.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// raise is the usual patch: memory from one value to another.
func raise(from, to float64) []Operation {
	return []Operation{{"test", "/memory_mb", from}, {"replace", "/memory_mb", to}}
}

func TestValidateOperations(t *testing.T) {
	many := func(n int) []Operation {
		ops := slices.Repeat([]Operation{{"test", "/memory_mb", 1.0}}, n-1)
		return append(ops, Operation{"replace", "/memory_mb", 2048.0})
	}
	for _, tc := range []struct {
		name   string
		ops    []Operation
		ceil   Ceilings
		fields []string // that are wrong; none when the operations are good
	}{
		{"guarded replace", raise(512, 1024), Ceilings{}, nil},
		{"guarded remove", []Operation{{"test", "/memory_mb", 512.0}, {Op: "remove", Path: "/memory_mb"}}, Ceilings{}, nil},
		{"add needs no guard", []Operation{{"add", "/memory_mb", 512.0}}, Ceilings{}, nil},
		{"tests may look anywhere", append([]Operation{{"test", "/input/files/0", "a.csv"}}, raise(512, 1024)...), Ceilings{}, nil},
		{"two changes", append(raise(512, 1024), Operation{"add", "/cores", 2.0}), Ceilings{}, nil},
		{"as many as allowed", many(MaxOperations), Ceilings{}, nil},
		{"up to the ceiling", raise(512, 1024), Ceilings{Memory: 1 << 30, Cores: 1}, nil},

		{"nothing", nil, Ceilings{}, []string{"ops"}},
		{"too many", many(MaxOperations + 1), Ceilings{}, []string{"ops"}},
		{"too large", append([]Operation{{"test", "/note", strings.Repeat("x", MaxBytes)}}, raise(512, 1024)...), Ceilings{}, []string{"ops"}},
		{"only tests", []Operation{{"test", "/memory_mb", 512.0}}, Ceilings{}, []string{"ops"}},
		{"not JSON", []Operation{{"add", "/memory_mb", math.NaN()}}, Ceilings{}, []string{"ops"}},
		{"unguarded replace", []Operation{{"replace", "/memory_mb", 1024.0}}, Ceilings{}, []string{"ops[0].path"}},
		{"unguarded remove", []Operation{{Op: "remove", Path: "/memory_mb"}}, Ceilings{}, []string{"ops[0].path"}},
		{"guarded elsewhere", []Operation{{"test", "/cores", 1.0}, {"replace", "/memory_mb", 1024.0}}, Ceilings{}, []string{"ops[1].path"}},
		{"guard of the whole document is not of the path", []Operation{{"test", "", map[string]any{}}, {"replace", "/memory_mb", 1024.0}}, Ceilings{}, []string{"ops[1].path"}},
		{"guard comes late", []Operation{{"replace", "/memory_mb", 1024.0}, {"test", "/memory_mb", 1024.0}}, Ceilings{}, []string{"ops[0].path", "ops[1].path"}},
		{"test after the change of what holds it", append(raise(512, 1024), Operation{"test", "", nil}), Ceilings{}, []string{"ops[2].path"}},
		{"add of what is tested", []Operation{{"test", "/memory_mb", 512.0}, {"add", "/memory_mb", 1024.0}}, Ceilings{}, []string{"ops[1].op"}},
		{"changed twice", append(raise(512, 1024), Operation{"replace", "/memory_mb", 2048.0}), Ceilings{}, []string{"ops[2].path"}},
		{"move", []Operation{{"move", "/memory_mb", nil}}, Ceilings{}, []string{"ops[0].op"}},
		{"no op", []Operation{{"", "/memory_mb", 1.0}}, Ceilings{}, []string{"ops[0].op"}},
		{"not a pointer", []Operation{{"add", "memory_mb", 512.0}}, Ceilings{}, []string{"ops[0].path"}},
		{"bad escape", []Operation{{"test", "/a~2", 1.0}, {"add", "/memory_mb", 512.0}}, Ceilings{}, []string{"ops[0].path"}},
		{"path not allowed", []Operation{{"add", "/args", "rm"}}, Ceilings{}, []string{"ops[0].path"}},
		{"below an allowed path", []Operation{{"add", "/memory_mb/x", 1.0}}, Ceilings{}, []string{"ops[0].path"}},
		{"whole document", []Operation{{"test", "", nil}, {"replace", "", nil}}, Ceilings{}, []string{"ops[1].path"}},
		{"bad value", []Operation{{"add", "/memory_mb", "lots"}}, Ceilings{}, []string{"ops[0].value"}},
		{"null", []Operation{{"add", "/memory_mb", nil}}, Ceilings{}, []string{"ops[0].value"}},
		{"beyond the memory ceiling", raise(512, 1025), Ceilings{Memory: 1 << 30}, []string{"ops[1].value"}},
		{"beyond the cores ceiling", []Operation{{"add", "/cores", 1.5}}, Ceilings{Cores: 1}, []string{"ops[0].value"}},
		{"all that is wrong at once", []Operation{{"add", "/a", 1.0}, {"copy", "/b", 1.0}, {"add", "/memory_mb", -1.0}}, Ceilings{}, []string{"ops[0].path", "ops[1].op", "ops[2].value"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := ValidateOperations("ops", tc.ops, profile(t, engine.Process), tc.ceil)
			if got := fieldsOf(err); !slices.Equal(got, tc.fields) {
				t.Errorf("wrong fields = %q (%v), want %q", got, err, tc.fields)
			}
		})
	}
}

func fieldsOf(err error) []string {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		return nil
	}
	var names []string
	for _, v := range e.Violations {
		names = append(names, v.Field)
	}
	return names
}

func TestEveryEnginesOwnChangesAreValid(t *testing.T) {
	for name, change := range map[string][2]map[string]any{
		engine.Process: {{"memory_mb": 512.0}, {"memory_mb": 1024.0, "cores": 2.0}},
		engine.JVM:     {{"heap_mb": 256.0, "memory_mb": 700.0}, {"heap_mb": 512.0, "memory_mb": 1000.0}},
		engine.Spark: {
			{"spark.executor.memory": "4g", "spark.executor.cores": "4"},
			{"spark.executor.memory": "6g", "spark.executor.cores": "2", "spark.executor.memoryOverhead": "1g"},
		},
	} {
		p := profile(t, name)
		ops, err := p.Changes(change[0], change[1])
		if err != nil {
			t.Fatal(err)
		}
		var own []Operation
		for _, o := range ops {
			own = append(own, Operation(o))
		}
		if err := ValidateOperations("ops", own, p, Ceilings{}); err != nil || len(own) < 3 {
			t.Errorf("%s: %v is wrong: %v", name, own, err)
		}
	}
}
