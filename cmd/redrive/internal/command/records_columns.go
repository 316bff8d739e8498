package command

import (
	"bufio"
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"github.com/redrive-io/redrive/cmd/redrive/internal/parquet"
	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// exportColumn is one column of an export. of returns what parquet.Writer takes.
type exportColumn struct {
	parquet.Column
	of func(r *redrivev1.TrainingRecord) any
}

func text(name string, of func(*redrivev1.TrainingRecord) string) exportColumn {
	return exportColumn{parquet.Column{Name: name, Kind: parquet.String}, func(r *redrivev1.TrainingRecord) any { return of(r) }}
}

func integer(name string, of func(*redrivev1.TrainingRecord) int64) exportColumn {
	return exportColumn{parquet.Column{Name: name, Kind: parquet.Int}, func(r *redrivev1.TrainingRecord) any { return of(r) }}
}

func number(name string, of func(*redrivev1.TrainingRecord) float64) exportColumn {
	return exportColumn{parquet.Column{Name: name, Kind: parquet.Double}, func(r *redrivev1.TrainingRecord) any { return of(r) }}
}

func boolean(name string, of func(*redrivev1.TrainingRecord) bool) exportColumn {
	return exportColumn{parquet.Column{Name: name, Kind: parquet.Boolean}, func(r *redrivev1.TrainingRecord) any { return of(r) }}
}

// exportColumns are those of CSV and Parquet, named as the members of TrainingRecord
// and Features. What is unknown is 0, false or empty, as there; an exit code -1.
func exportColumns() []exportColumn {
	all := []exportColumn{
		text("id", (*redrivev1.TrainingRecord).GetId), text("previous", (*redrivev1.TrainingRecord).GetPrevious),
		text("workflow", func(r *redrivev1.TrainingRecord) string { return r.GetType().GetWorkflow() }),
		text("step", func(r *redrivev1.TrainingRecord) string { return r.GetType().GetStep() }),
		text("engine", func(r *redrivev1.TrainingRecord) string { return r.GetType().GetEngine() }),
		text("owner", (*redrivev1.TrainingRecord).GetOwner),
		integer("attempt", func(r *redrivev1.TrainingRecord) int64 { return int64(r.GetAttempt()) }),
		text("outcome", func(r *redrivev1.TrainingRecord) string { return screen.Name(r.GetOutcome()) }),
		{parquet.Column{Name: "end_time", Kind: parquet.Time}, func(r *redrivev1.TrainingRecord) any { return r.GetEndTime().AsTime().UnixMicro() }},
		number("seconds", (*redrivev1.TrainingRecord).GetSeconds), integer("input_bytes", (*redrivev1.TrainingRecord).GetInputBytes),
		integer("limit_bytes", (*redrivev1.TrainingRecord).GetLimitBytes), integer("peak_bytes", (*redrivev1.TrainingRecord).GetPeakBytes),
		number("cores", (*redrivev1.TrainingRecord).GetCores),
		text("shape", func(r *redrivev1.TrainingRecord) string { return r.GetShape().GetName() }),
		boolean("spot", func(r *redrivev1.TrainingRecord) bool { return r.GetShape().GetSpot() }),
		boolean("killed", (*redrivev1.TrainingRecord).GetKilled), boolean("timed_out", (*redrivev1.TrainingRecord).GetTimedOut),
		integer("exit_code", exitCode), text("class", (*redrivev1.TrainingRecord).GetClass),
		text("fingerprint", (*redrivev1.TrainingRecord).GetFingerprint), text("setting", (*redrivev1.TrainingRecord).GetSetting),
		text("recommended", (*redrivev1.TrainingRecord).GetRecommended), text("model", (*redrivev1.TrainingRecord).GetModel),
	}
	return append(all, featureColumns()...)
}

func exitCode(r *redrivev1.TrainingRecord) int64 {
	if r.ExitCode == nil {
		return -1
	}
	return int64(r.GetExitCode())
}

// featureColumns are of what was known at the decision that followed.
func featureColumns() []exportColumn {
	count := func(name string, of func(*redrivev1.Features) int32) exportColumn {
		return integer(name, func(r *redrivev1.TrainingRecord) int64 { return int64(of(r.GetFeatures())) })
	}
	amount := func(name string, of func(*redrivev1.Features) int64) exportColumn {
		return integer(name, func(r *redrivev1.TrainingRecord) int64 { return of(r.GetFeatures()) })
	}
	share := func(name string, of func(*redrivev1.Features) float64) exportColumn {
		return number(name, func(r *redrivev1.TrainingRecord) float64 { return of(r.GetFeatures()) })
	}
	word := func(name string, of func(*redrivev1.Features) string) exportColumn {
		return text(name, func(r *redrivev1.TrainingRecord) string { return of(r.GetFeatures()) })
	}
	return []exportColumn{
		count("observations", (*redrivev1.Features).GetObservations), count("successes", (*redrivev1.Features).GetSuccesses),
		count("memory_failures", (*redrivev1.Features).GetMemoryFailures), count("retries_failed", (*redrivev1.Features).GetRetriesFailed),
		count("retries_succeeded", (*redrivev1.Features).GetRetriesSucceeded), count("same_failures", (*redrivev1.Features).GetSameFailures),
		amount("proven_bytes", (*redrivev1.Features).GetProvenBytes), amount("seen_bytes", (*redrivev1.Features).GetSeenBytes),
		amount("median_bytes", (*redrivev1.Features).GetMedianBytes), share("expected_seconds", (*redrivev1.Features).GetExpectedSeconds),
		share("permanent_probability", (*redrivev1.Features).GetPermanentProbability), word("predictor", (*redrivev1.Features).GetPredictor),
		word("part", (*redrivev1.Features).GetPart), amount("chosen_bytes", (*redrivev1.Features).GetChosenBytes),
		share("chosen_cores", (*redrivev1.Features).GetChosenCores), share("fail_probability", (*redrivev1.Features).GetFailProbability),
		share("raw_probability", (*redrivev1.Features).GetRawProbability), share("expected_cost", (*redrivev1.Features).GetExpectedCost),
		share("propensity", (*redrivev1.Features).GetPropensity),
		boolean("explored", func(r *redrivev1.TrainingRecord) bool { return r.GetFeatures().GetExplored() }),
	}
}

// csvExport writes a line of names and then one of each record.
type csvExport struct {
	out     *csv.Writer
	columns []exportColumn
	err     error // of the first line
}

func newCSVExport(w io.Writer) exporter {
	e := &csvExport{out: csv.NewWriter(w), columns: exportColumns()}
	names := make([]string, len(e.columns))
	for i, c := range e.columns {
		names[i] = c.Name
	}
	e.err = e.out.Write(names)
	return e
}

func (e *csvExport) Write(r *redrivev1.TrainingRecord) error {
	if e.err != nil {
		return e.err
	}
	line := make([]string, len(e.columns))
	for i, c := range e.columns {
		switch v := c.of(r).(type) {
		case string:
			line[i] = v
		case float64:
			line[i] = strconv.FormatFloat(v, 'g', -1, 64)
		case bool:
			line[i] = strconv.FormatBool(v)
		case int64:
			if line[i] = strconv.FormatInt(v, 10); c.Kind == parquet.Time {
				line[i] = time.UnixMicro(v).UTC().Format(time.RFC3339Nano)
			}
		}
	}
	return e.out.Write(line)
}

func (e *csvExport) Close() error {
	e.out.Flush()
	return e.out.Error()
}

// linesExport writes each record as a line of JSON.
type linesExport struct{ out *bufio.Writer }

func newLinesExport(w io.Writer) exporter { return linesExport{bufio.NewWriter(w)} }

func (e linesExport) Write(r *redrivev1.TrainingRecord) error {
	line, err := messageJSON(r)
	if err != nil {
		return err
	}
	_, err = e.out.Write(append(line, '\n'))
	return err
}

func (e linesExport) Close() error { return e.out.Flush() }

// parquetExport writes a Parquet file.
type parquetExport struct {
	*parquet.Writer
	columns []exportColumn
}

func newParquetExport(w io.Writer) exporter {
	e := parquetExport{columns: exportColumns()}
	all := make([]parquet.Column, len(e.columns))
	for i, c := range e.columns {
		all[i] = c.Column
	}
	e.Writer = parquet.NewWriter(w, all)
	return e
}

func (e parquetExport) Write(r *redrivev1.TrainingRecord) error {
	row := make([]any, len(e.columns))
	for i, c := range e.columns {
		row[i] = c.of(r)
	}
	return e.Writer.Write(row)
}
