package job_test

import (
	"math"
	"reflect"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

// configOf returns an object as a configuration.
func configOf(object map[string]any) job.Config {
	c, err := job.NewConfig(object)
	if err != nil {
		panic(err) // the tests' own values
	}
	return c
}

func objectOf(t *testing.T, c job.Config) map[string]any {
	t.Helper()
	object, err := c.Object()
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func TestAConfigurationIsTheObjectThatItWasMadeFrom(t *testing.T) {
	for _, object := range []map[string]any{
		nil,
		{},
		{"memory_mb": 64.0, "spark.executor.memory": "2g", "none": nil, "on": true, "list": []any{1.0, "x", map[string]any{"y": []any{}}}},
	} {
		c := configOf(object)
		if got := objectOf(t, c); !reflect.DeepEqual(got, object) || c.None() != (object == nil) {
			t.Errorf("%v came back as %v", object, got)
		}
		if !c.None() && !job.EncodedConfig(c.Encoded()).Same(c) {
			t.Errorf("%v is not what it is encoded as", object)
		}
	}
	if _, err := job.NewConfig(map[string]any{"f": t.Helper}); err == nil {
		t.Error("a function is JSON")
	}
	if _, err := job.NewConfig(map[string]any{"x": "\xff"}); err == nil {
		t.Error("what is not UTF-8 is JSON")
	}
	if _, err := job.EncodedConfig([]byte{7}).Object(); err == nil {
		t.Error("damaged bytes are a configuration")
	}
}

func TestTheSameConfigurations(t *testing.T) {
	one := map[string]any{"a": 1.0, "b": []any{"x"}}
	// The same object in another order.
	var encoded []byte
	for _, name := range []string{"b", "a"} {
		c, err := job.ConfigOf(&structpb.Struct{Fields: map[string]*structpb.Value{name: value(t, one[name])}})
		if err != nil {
			t.Fatal(err)
		}
		encoded = append(encoded, c.Encoded()...)
	}
	for _, tc := range []struct {
		a, b job.Config
		want bool
	}{
		{configOf(one), configOf(map[string]any{"b": []any{"x"}, "a": 1.0}), true},
		{configOf(one), job.EncodedConfig(encoded), true},
		{job.Config{}, configOf(map[string]any{}), true},
		{configOf(map[string]any{"z": 0.0}), configOf(map[string]any{"z": math.Copysign(0, -1)}), true},
		{configOf(one), configOf(map[string]any{"a": 1.0}), false},
		{configOf(one), configOf(map[string]any{"a": 1.0, "b": []any{"y"}}), false},
		{configOf(one), job.Config{}, false},
		{configOf(one), job.EncodedConfig([]byte{7}), false},
	} {
		if got := tc.a.Same(tc.b); got != tc.want {
			t.Errorf("%v and %v: same = %v, want %v", objectOrNot(tc.a), objectOrNot(tc.b), got, tc.want)
		}
	}
}

func value(t *testing.T, v any) *structpb.Value {
	t.Helper()
	p, err := structpb.NewValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func objectOrNot(c job.Config) map[string]any {
	object, err := c.Object()
	if err != nil {
		return map[string]any{"damaged": c.Encoded()}
	}
	return object
}
