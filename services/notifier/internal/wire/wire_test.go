package wire_test

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
	"github.com/redrive-io/redrive/services/notifier/internal/wire"
)

// full sets everything in v, deeply, to values that differ from the zero value.
func full(v reflect.Value, seed *int) {
	*seed++
	switch v.Kind() {
	case reflect.String:
		v.SetString("text-" + string(rune('a'+*seed%26)))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*seed%3 + 1)) // in the range of all enums
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		full(v.Elem(), seed)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			full(v.Index(i), seed)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(*seed), 5).UTC()))
			return
		}
		for _, field := range v.Fields() {
			full(field, seed)
		}
	}
}

func fill[T any]() T {
	var v T
	seed := 0
	full(reflect.ValueOf(&v).Elem(), &seed)
	return v
}

// TestNothingIsLostInTheStore writes and reads values in which every field is
// set, so that a field that is added is not forgotten here.
func TestNothingIsLostInTheStore(t *testing.T) {
	f := fill[alert.Facts]()
	if got := wire.FromHistory(through(t, wire.History(f))); !reflect.DeepEqual(got, f) {
		t.Errorf("facts:\n got %+v\nwant %+v", got, f)
	}
	a := fill[alert.Alert]()
	if got := wire.FromRecord(through(t, wire.Record(a)), a.Revision); !reflect.DeepEqual(got, a) {
		t.Errorf("alert:\n got %+v\nwant %+v", got, a)
	}
	l := fill[delivery.Lane]()
	for i := range l.Items { // what a notification does not carry of its alert
		x := &l.Items[i].Notification.Alert
		x.After, x.AcknowledgedSeverity, x.Notices, x.ResolutionTold, x.Receivers = alert.Point{}, 0, nil, false, nil
	}
	if got := wire.FromLane(through(t, wire.Lane(l)), l.Revision); !reflect.DeepEqual(got, l) {
		t.Errorf("lane:\n got %+v\nwant %+v", got, l)
	}
}

// through sends a message over the wire.
func through[M proto.Message](t *testing.T, m M) M {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	out := m.ProtoReflect().New().Interface().(M)
	if err := proto.Unmarshal(data, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEnumsAreThoseOfTheProtos(t *testing.T) {
	for _, tc := range []struct{ got, want int32 }{
		{int32(alert.Page), int32(redrivev1.Alert_SEVERITY_PAGE)},
		{int32(alert.Info), int32(redrivev1.Alert_SEVERITY_INFO)},
		{int32(alert.Firing), int32(redrivev1.Alert_STATE_FIRING)},
		{int32(alert.Resolved), int32(redrivev1.Alert_STATE_RESOLVED)},
		{int32(alert.Nobody), int32(redrivev1.Decision_ATTENTION_NONE)},
		{int32(alert.Permanent), int32(redrivev1.Decision_ATTENTION_PERMANENT)},
		{int32(alert.Recovered), int32(redrivev1.AlertEnd_CAUSE_RECOVERED)},
		{int32(alert.Expired), int32(redrivev1.AlertEnd_CAUSE_EXPIRED)},
		{int32(delivery.Pending), int32(redrivev1.Delivery_STATE_PENDING)},
		{int32(delivery.Failed), int32(redrivev1.Delivery_STATE_FAILED)},
	} {
		if tc.got != tc.want {
			t.Errorf("%d is %d in the protos", tc.got, tc.want)
		}
	}
}
