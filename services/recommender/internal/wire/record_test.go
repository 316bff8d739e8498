package wire_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/features"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

func TestARecordComesBackWithEveryMember(t *testing.T) {
	var r record.Record
	fill(t, reflect.ValueOf(&r).Elem())
	r.Outcome = history.Failed
	if got := wire.TrainingRecordFromProto(wire.TrainingRecord(r)); !reflect.DeepEqual(got, r) {
		t.Errorf("it came back as\n%+v, want\n%+v", got, r)
	}
	var none record.Record
	if got := wire.TrainingRecordFromProto(wire.TrainingRecord(none)); !reflect.DeepEqual(got, none) {
		t.Errorf("the zero record came back as %+v", got)
	}
}

// fill sets every member to something that is not zero.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Date(2026, 11, 21, 1, 2, 3, 4, time.UTC)
		return
	case *map[engine.Part]int64:
		*x = map[engine.Part]int64{engine.Heap: 5, engine.Tree: 6}
		return
	case **int32:
		code := int32(137)
		*x = &code
		return
	case **features.Features:
		*x = new(features.Features)
		fill(t, v.Elem())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field)
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(0.5)
	default:
		t.Fatalf("no way to fill %v", v.Type())
	}
}
