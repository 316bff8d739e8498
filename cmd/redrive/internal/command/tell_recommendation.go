package command

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// tellRecommendation says what was considered, with what it would risk and cost,
// and what moved the answer.
func (a *app) tellRecommendation(r *redrivev1.Recommendation) error {
	a.heading("What was considered")
	if r.GetOutcome() == redrivev1.Recommendation_OUTCOME_UNSPECIFIED {
		a.lines("no change of the configuration: the recommender was not asked")
		return nil
	}
	a.lines(clean(r.GetReason()))
	in := r.GetInputs()
	a.lines(a.out.Faint(fmt.Sprintf("%s, %s of this job type, model %s",
		screen.Count(int64(r.GetCandidateCount()), "candidate"), screen.Count(int64(in.GetObservations()), "observation"), clean(r.GetModelVersion()))))
	if err := a.candidates(r); err != nil {
		return err
	}
	return a.factors(r)
}

// column is one of the table of candidates.
type column struct {
	heading string
	// brings says that it is about what comes of the candidate; the others say
	// what it is.
	brings bool
	// cell is empty where there is nothing to say; a column that is empty for all
	// is left out.
	cell func(c *redrivev1.Candidate) string
}

var candidateColumns = []column{
	{"MEMORY", false, func(c *redrivev1.Candidate) string {
		return ifSet(c.GetMemoryBytes() > 0, screen.Bytes(c.GetMemoryBytes()))
	}},
	{"CORES", false, func(c *redrivev1.Candidate) string { return ifSet(c.GetCores() > 0, fmt.Sprintf("%g", c.GetCores())) }},
	{"TASK CPUS", false, func(c *redrivev1.Candidate) string {
		return ifSet(c.GetTaskCpus() > 0, fmt.Sprintf("%g", c.GetTaskCpus()))
	}},
	{"EXECUTORS", false, func(c *redrivev1.Candidate) string { return ifSet(c.GetInstances() > 0, fmt.Sprint(c.GetInstances())) }},
	{"PARTITIONS", false, func(c *redrivev1.Candidate) string {
		return ifSet(c.GetShufflePartitions() > 0, fmt.Sprint(c.GetShufflePartitions()))
	}},
	{"CLUSTER", false, func(c *redrivev1.Candidate) string { return clean(c.GetShape().GetName()) }},
	{"TIME", true, func(c *redrivev1.Candidate) string {
		return ifSet(c.GetSeconds() > 0, screen.Span(time.Duration(c.GetSeconds()*float64(time.Second))))
	}},
	{"P(FAIL)", true, func(c *redrivev1.Candidate) string { return screen.Percent(c.GetFailProbability()) }},
	{"COST", true, func(c *redrivev1.Candidate) string { return screen.Dollars(c.GetExpectedCost()) }},
	{"OBJECTIVE", true, func(c *redrivev1.Candidate) string { return screen.Dollars(c.GetObjective()) }},
}

func ifSet(set bool, text string) string {
	if set {
		return text
	}
	return ""
}

// candidates writes a table of the chosen one, the one that failed and the best
// few, each configuration once.
func (a *app) candidates(r *redrivev1.Recommendation) error {
	var marks []string
	var all []*redrivev1.Candidate
	seen := map[string]bool{}
	add := func(mark string, c *redrivev1.Candidate) {
		if key := configurationOf(c); c != nil && !seen[key] {
			seen[key] = true
			marks, all = append(marks, mark), append(all, c)
		}
	}
	if r.GetOutcome() != redrivev1.Recommendation_OUTCOME_NOT_FEASIBLE {
		add(a.out.Good("→ chosen"), r.GetChosen())
	}
	add("  it failed with", r.GetCurrent())
	for _, c := range r.GetCandidates() {
		add("", c)
	}
	if len(all) == 0 {
		return nil
	}
	heading, rows := []string{""}, make([][]string, len(all))
	for i, mark := range marks {
		rows[i] = []string{mark}
	}
	for _, col := range candidateColumns {
		if !slices.ContainsFunc(all, func(c *redrivev1.Candidate) bool { return col.cell(c) != "" }) {
			continue
		}
		heading = append(heading, col.heading)
		for i, c := range all {
			rows[i] = append(rows[i], firstOf(col.cell(c), "–"))
		}
	}
	return a.out.Table(indented{a.stdout}, heading, rows)
}

// configurationOf says what a candidate is, as it is written.
func configurationOf(c *redrivev1.Candidate) string {
	var cells []string
	for _, col := range candidateColumns {
		if !col.brings {
			cells = append(cells, col.cell(c))
		}
	}
	return strings.Join(cells, "\x00")
}

// factors writes what moved the answer, and what it would have been without.
func (a *app) factors(r *redrivev1.Recommendation) error {
	if len(r.GetFactors()) == 0 {
		return nil
	}
	a.heading("What moved it")
	var rows [][]string
	for _, f := range r.GetFactors() {
		memory := "–"
		if f.GetMemoryBytesWithout() > 0 {
			memory = screen.Bytes(f.GetMemoryBytesWithout())
		}
		rows = append(rows, []string{clean(f.GetName()), screen.Percent(f.GetFailProbabilityWithout()), memory, clean(f.GetValue())})
	}
	return a.out.Table(indented{a.stdout}, []string{"KNOWN", "P(FAIL) WITHOUT IT", "MEMORY CHOSEN WITHOUT IT", "VALUE"}, rows)
}
