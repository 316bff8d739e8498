package command

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) showModel(m *redrivev1.Model) error {
	forced, learnt := "", ""
	if m.GetForced() {
		forced = "although its audit failed"
	}
	if c := m.GetContent(); c.GetRecords() > 0 {
		learnt = screen.Count(c.GetRecords(), "record") + ", the last told " + a.when(c.GetUntil())
	}
	if err := a.fields(
		"model", a.out.Strong(m.GetName()), "state", screen.Name(m.GetState()), "made", a.when(m.GetCreateTime()), "by", m.GetTraining(),
		"learnt", learnt, "promoted", a.when(m.GetPromoteTime()), "because", clean(m.GetPromoteReason()), "forced", forced,
	); err != nil {
		return err
	}
	if m.GetAudit() == nil {
		return nil
	}
	return a.showAudit(m)
}

func (a *app) showAudit(m *redrivev1.Model) error {
	u := m.GetAudit()
	a.heading("Audit: " + auditOf(m))
	if err := a.fields(
		"when", a.when(u.GetTime()), "on", screen.Count(u.GetRecords(), "record"), "Brier score", fmt.Sprintf("%.4f", u.GetBrier()),
		"calibration error", fmt.Sprintf("%.4f", u.GetCalibrationError()),
		"rising with memory", fmt.Sprintf("%d of %d predictions", u.GetMonotonicityViolations(), u.GetMonotonicityChecked()),
	); err != nil {
		return err
	}
	for _, f := range u.GetFindings() {
		a.lines(clean(f.GetCheck()) + ": " + clean(f.GetMessage()))
	}
	if len(u.GetReplay()) > 0 {
		a.gap()
		rows := make([][]string, len(u.GetReplay()))
		for i, p := range u.GetReplay() {
			rows[i] = []string{
				clean(p.GetPolicy()), strconv.FormatInt(p.GetFailures(), 10), strconv.FormatInt(p.GetFixedFirst(), 10), strconv.FormatInt(p.GetNever(), 10),
				screen.Dollars(p.GetDollars()), screen.Dollars(p.GetRegret()),
			}
		}
		if err := a.out.Table(a.stdout, []string{"POLICY", "FAILURES", "FIXED FIRST", "NEVER", "COST", "REGRET"}, rows); err != nil {
			return err
		}
	}
	if len(u.GetReliability()) == 0 {
		return nil
	}
	a.gap()
	rows := make([][]string, len(u.GetReliability()))
	for i, b := range u.GetReliability() {
		rows[i] = []string{screen.Percent(b.GetPredicted()), screen.Percent(b.GetObserved()), strconv.Itoa(int(b.GetCount()))}
	}
	return a.out.Table(a.stdout, []string{"PREDICTED", "FAILED", "RETRIES"}, rows)
}

func (a *app) modelDrift() *cobra.Command {
	cmd := &cobra.Command{
		Use: "drift", Short: "Say how far the serving model is from what it is asked", Args: cobra.NoArgs,
		Long: "Say how far the last decisions, and what came of them, are from what the serving\nmodel was trained and judged on. Features are compared from 200 decisions on, and\nwarnings of predictions begin with 200 outcomes.\n\n  redrive models drift",
	}
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		d, err := redrivev1.NewRecommenderServiceClient(conn).GetDrift(cmd.Context(), &redrivev1.GetDriftRequest{})
		if err != nil {
			return err
		}
		if *f != "table" {
			return f.write(a.stdout, d)
		}
		return a.showDrift(d)
	}
	return cmd
}

// judged writes what is now beside what an audit measured, where there was one.
func judged(now, then float64) string {
	if then == 0 {
		return fmt.Sprintf("%.4f", now)
	}
	return fmt.Sprintf("%.4f; the audit's was %.4f", now, then)
}

func (a *app) showDrift(d *redrivev1.Drift) error {
	if err := a.fields(
		"model", a.out.Strong(d.GetModel()), "of", screen.Count(d.GetDecisions(), "decision")+" and "+screen.Count(d.GetOutcomes(), "outcome"),
		"Brier score", judged(d.GetBrier(), d.GetAuditBrier()), "calibration error", judged(d.GetCalibrationError(), d.GetAuditCalibrationError()),
	); err != nil {
		return err
	}
	if len(d.GetFeatures()) > 0 {
		a.gap()
		rows := make([][]string, len(d.GetFeatures()))
		for i, one := range d.GetFeatures() {
			rows[i] = []string{clean(one.GetFeature()), fmt.Sprintf("%.3f", one.GetStabilityIndex())}
		}
		if err := a.out.Table(a.stdout, []string{"FEATURE", "STABILITY INDEX"}, rows); err != nil {
			return err
		}
	}
	for _, w := range d.GetWarnings() {
		a.say("%s", clean(w))
	}
	return nil
}
