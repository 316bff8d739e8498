package wire_test

import (
	"reflect"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

func TestRevisionSurvivesTheWire(t *testing.T) {
	want := book.Revision{
		Rule: rule.Rule{ID: "r", Any: []string{"a"}, Class: failure.CodeBug, Summary: "s", Mode: rule.Shadow, Revision: 6}, Number: 7,
		Change: book.Change{Author: "ann", Reason: "why", Action: book.ActionDelete, Forced: true, Backtest: "backtests/b"},
		Time:   at, Changes: []string{"order: 1 → 2"},
	}
	if got := wire.RevisionFromProto(wire.Revision(want)); !reflect.DeepEqual(got, want) {
		t.Errorf("RevisionFromProto(Revision) =\n%+v\nwant\n%+v", got, want)
	}
	if got := wire.RevisionFromProto(nil); !reflect.DeepEqual(got, book.Revision{}) {
		t.Errorf("RevisionFromProto(nil) = %+v", got)
	}
}

func TestRevisionNames(t *testing.T) {
	for name, want := range map[string]int64{
		"rules/a-b/revisions/12": 12, "rules/a-b/revisions/0": 0, "rules/a-b/revisions/-1": 0, "rules/a-b/revisions/01": 0, "rules/a-b": 0,
		"rules/A/revisions/1": 0, "rules/a/revisions/1/revisions/2": 0, "rules/a/revisions/99999999999999999999": 0,
	} {
		id, number, err := wire.RevisionID("name", name)
		if number != want || (want == 0) != errs.Is(err, errs.Invalid) || want > 0 && wire.RevisionName(id, number) != name {
			t.Errorf("RevisionID(%q) = %q, %d, %v", name, id, number, err)
		}
	}
}
