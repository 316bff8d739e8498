package wire

import (
	"fmt"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

// Audited reads what an audit says of the recommender's models: that something
// is wrong with what it learnt last, or that nothing is any more. Audits are
// told apart by their time.
func Audited(m *redrivev1.ModelAudited) (e alert.End, s *alert.Stop, err error) {
	at, audit := wellknown.Time(m.GetAudit().GetTime()), m.GetAudit()
	if at.IsZero() {
		return e, nil, errs.Field("audit.time", "is not set; it says which audit it is")
	}
	point := alert.Point{Revision: at.UnixMicro()}
	if audit.GetPassed() {
		return alert.End{Point: point, Cause: alert.Recovered, Time: at}, nil, nil
	}
	var wrong []string
	for _, f := range audit.GetFindings() {
		if f.GetFatal() {
			wrong = append(wrong, f.GetCheck()+": "+f.GetMessage())
		}
	}
	stop := alert.Stop{
		Point: point, Attention: alert.BeforeCap, Source: failure.Own, Time: at,
		Reason: fmt.Sprintf("%s failed its audit: %s", m.GetModel(), strings.Join(wrong, "; ")),
	}.Bounded()
	return e, &stop, nil
}

// Untrained reads what a training that failed says of the recommender's models:
// that what is learnt does not reach them. Such trainings are told apart, and
// from audits, by when they ended.
func Untrained(m *redrivev1.TrainingFailed) (alert.Stop, error) {
	at := wellknown.Time(m.GetTraining().GetEndTime())
	if at.IsZero() {
		return alert.Stop{}, errs.Field("training.end_time", "is not set; it says when the training failed")
	}
	return alert.Stop{
		Point: alert.Point{Revision: at.UnixMicro()}, Attention: alert.BeforeCap, Source: failure.Own, Time: at,
		Reason: fmt.Sprintf("%s failed: %s", m.GetTraining().GetName(), m.GetTraining().GetError()),
	}.Bounded(), nil
}
