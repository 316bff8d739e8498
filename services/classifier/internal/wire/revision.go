package wire

import (
	"strconv"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
)

const revisionPart = "/revisions/"

// RevisionName returns the resource name of a revision of a rule.
func RevisionName(rule string, number int64) string {
	return RuleName(rule) + revisionPart + strconv.FormatInt(number, 10)
}

// RevisionID reads the resource name of a revision; field names it in the error.
func RevisionID(field, name string) (rule string, number int64, err error) {
	parent, digits, _ := strings.Cut(name, revisionPart)
	rule, err = RuleID(field, parent)
	number, bad := strconv.ParseInt(digits, 10, 64)
	if err != nil || bad != nil || number < 1 || name != RevisionName(rule, number) {
		return "", 0, errs.Field(field, "%q is not rules/{rule}/revisions/{revision}", name)
	}
	return rule, number, nil
}

// Revision writes a revision for the wire.
func Revision(r book.Revision) *redrivev1.RuleRevision {
	return &redrivev1.RuleRevision{
		Name: RevisionName(r.Rule.ID, r.Number), Rule: Rule(r.Rule), Action: redrivev1.RuleRevision_Action(r.Action),
		Author: r.Author, Reason: r.Reason, CreateTime: wellknown.Timestamp(r.Time), Changes: r.Changes, Forced: r.Forced, Backtest: r.Backtest,
	}
}

// RevisionFromProto reads a revision off the wire; nil is the zero one.
func RevisionFromProto(p *redrivev1.RuleRevision) book.Revision {
	if p == nil {
		return book.Revision{}
	}
	r := book.Revision{
		Rule: RuleFromProto(p.GetRule()), Time: wellknown.Time(p.GetCreateTime()), Changes: p.GetChanges(),
		Change: book.Change{Author: p.GetAuthor(), Reason: p.GetReason(), Action: book.Action(p.GetAction()), Forced: p.GetForced(), Backtest: p.GetBacktest()},
	}
	_, digits, _ := strings.Cut(p.GetName(), revisionPart)
	r.Number, _ = strconv.ParseInt(digits, 10, 64) // it is ours
	return r
}
