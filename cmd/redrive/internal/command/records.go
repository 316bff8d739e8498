package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// recordFilter says which records are wanted.
type recordFilter struct {
	workflow, step, engine string
	since                  time.Duration
}

func (f *recordFilter) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.workflow, "workflow", "", "only of this workflow's step --step")
	cmd.Flags().StringVar(&f.step, "step", "", "only of this step of --workflow")
	cmd.Flags().StringVar(&f.engine, "engine", "process", "the step's engine")
	cmd.Flags().DurationVar(&f.since, "since", 0, "only of attempts that ended within this time, such as 24h; 0 for all")
}

func (f *recordFilter) request(now time.Time) (*redrivev1.ListRecordsRequest, error) {
	req := &redrivev1.ListRecordsRequest{}
	if (f.workflow == "") != (f.step == "") {
		return nil, usagef("--workflow and --step go together")
	}
	if f.workflow != "" {
		req.Type = &redrivev1.JobType{Workflow: f.workflow, Step: f.step, Engine: f.engine}
	}
	if f.since < 0 {
		return nil, usagef("--since is at least 0")
	}
	if f.since > 0 {
		req.Since = timestamppb.New(now.Add(-f.since))
	}
	return req, nil
}

func recordPage(ctx context.Context, conn *grpc.ClientConn, req *redrivev1.ListRecordsRequest, size int32, token string) ([]*redrivev1.TrainingRecord, string, error) {
	req.PageSize, req.PageToken = size, token
	r, err := redrivev1.NewRecommenderServiceClient(conn).ListRecords(ctx, req)
	return r.GetRecords(), r.GetNextPageToken(), err
}

func (a *app) records() *cobra.Command {
	var filter recordFilter
	r := resource[*redrivev1.TrainingRecord]{
		one: "record", many: "records",
		filters: func(cmd *cobra.Command) pageOf[*redrivev1.TrainingRecord] {
			filter.add(cmd)
			var req *redrivev1.ListRecordsRequest // the same for all pages
			return func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) ([]*redrivev1.TrainingRecord, string, error) {
				if req == nil {
					var err error
					if req, err = filter.request(a.now()); err != nil {
						return nil, "", err
					}
				}
				return recordPage(ctx, conn, req, size, token)
			}
		},
		heading: []string{"WORKFLOW", "STEP", "ATTEMPT", "ENDED", "OUTCOME", "CLASS", "TOOK", "INPUT", "PEAK", "RECOMMENDED"},
		row: func(a *app, r *redrivev1.TrainingRecord) []string {
			return []string{
				clean(r.GetType().GetWorkflow()), clean(r.GetType().GetStep()), strconv.Itoa(int(r.GetAttempt())), a.when(r.GetEndTime()),
				screen.Name(r.GetOutcome()), clean(r.GetClass()), screen.Span(time.Duration(r.GetSeconds() * float64(time.Second))),
				bytesOf(r.GetInputBytes()), bytesOf(r.GetPeakBytes()), clean(r.GetRecommended()),
			}
		},
	}
	list := r.listCommand(a)
	list.Long = `List training records, one of each attempt that ended: by job type, then by time.

  redrive records list --workflow sales --step load --since 24h`
	return family("records", "List and export what models are trained on", list, a.recordsExport(), a.recordsRebuild())
}

func bytesOf(n int64) string {
	if n == 0 {
		return ""
	}
	return screen.Bytes(n)
}

func (a *app) recordsExport() *cobra.Command {
	cmd := &cobra.Command{
		Use: "export", Short: "Write training records as CSV, Parquet or JSON lines", Args: cobra.NoArgs,
		Long: `Write training records, one of each attempt that ended, to a file or to the
standard output. JSON lines have every member as the API does; CSV and Parquet have
a column for each that is not a map.

  redrive records export --format parquet --file records.parquet
  redrive records export --format csv --since 720h | head`,
	}
	var filter recordFilter
	filter.add(cmd)
	kind := cmd.Flags().String("format", "csv", "csv, parquet or jsonl")
	name := cmd.Flags().String("file", "", "the `FILE` to write; it must not exist (default: the standard output)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		begin, ok := exporters[*kind]
		if !ok {
			return usagef("--format %q is not csv, parquet or jsonl", *kind)
		}
		req, err := filter.request(a.now())
		if err != nil {
			return err
		}
		conn, err := a.dial()
		if err != nil {
			return err
		}
		if *name == "" {
			_, err := export(cmd.Context(), conn, req, begin(a.stdout))
			return err
		}
		file, err := os.OpenFile(*name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		n, err := export(cmd.Context(), conn, req, begin(file))
		if err := errors.Join(err, file.Close()); err != nil {
			return errors.Join(err, os.Remove(*name))
		}
		a.say("%s in %s", screen.Count(int64(n), "record"), *name)
		return nil
	}
	return cmd
}

// exporter writes records one after another.
type exporter interface {
	Write(r *redrivev1.TrainingRecord) error
	Close() error // writes what is left; it does not close what is written to
}

// exporters make one by the name of its format.
var exporters = map[string]func(io.Writer) exporter{"csv": newCSVExport, "jsonl": newLinesExport, "parquet": newParquetExport}

// export writes all records that are asked for, a page in memory at a time.
func export(ctx context.Context, conn *grpc.ClientConn, req *redrivev1.ListRecordsRequest, to exporter) (n int, err error) {
	for token := ""; ; {
		page, next, err := recordPage(ctx, conn, req, 1000, token)
		if err != nil {
			return n, err
		}
		for _, r := range page {
			if err := to.Write(r); err != nil {
				return n, err
			}
			n++
		}
		if token = next; token == "" {
			return n, to.Close()
		}
	}
}

// rebuildTimeout bounds a rebuild. Without a deadline of its own a call has half a
// minute, and seven days of a busy stream take minutes.
const rebuildTimeout = time.Hour

func (a *app) recordsRebuild() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rebuild", Short: "Add the records of all events that the stream still has", Args: cobra.NoArgs,
		Long: "Add the records of all events that the stream still has, at most seven days of them.\nWhat is there already stays as it is. It may take minutes; after an interruption the\nnext one adds the rest.\n\n  redrive records rebuild",
	}
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), rebuildTimeout)
		defer cancel()
		r, err := redrivev1.NewRecommenderServiceClient(conn).RebuildRecords(ctx, &redrivev1.RebuildRecordsRequest{})
		if err != nil {
			return err
		}
		if *f != "table" {
			return f.write(a.stdout, r)
		}
		_, err = fmt.Fprintf(a.stdout, "%s read, %s added\n", screen.Count(r.GetEvents(), "event"), screen.Count(r.GetAdded(), "record"))
		return err
	}
	return cmd
}
