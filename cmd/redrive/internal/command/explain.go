package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// record is everything that was kept of one failure. decision, job and patch
// are nil where there is none.
type record struct {
	failure  *redrivev1.Failure
	decision *redrivev1.Decision
	job      *redrivev1.Job
	patch    *redrivev1.Patch
}

func (a *app) explain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain FAILURE|JOB",
		Short: "Say what matched, what was considered and what was decided, and why",
		Long: `Say what is known of a failure (failures/ID) or of the last failure of a job
(jobs/ID): which rules matched on which line, which configurations were
considered with the probability that a retry fails and what it costs, what was
decided and why, and the configuration before and after.

With --replay, classify, search and decide once more from what was recorded, and
say whether the same comes out; the status is 1 if it does not.

With --plot, draw what the recommender saw: over the memory of a retry the
probability that it fails, its cost and the choice, as SVG.`,
		Example: `  redrive explain jobs/etl
  redrive explain jobs/etl --attempt 2 --replay
  redrive explain jobs/etl --plot etl.svg`,
		Args: takes(1, 1),
	}
	attempt := cmd.Flags().Int("attempt", 0, "of a job: the failure of this attempt (default the last that failed)")
	replay := cmd.Flags().Bool("replay", false, "do it again from the record and say whether the same comes out")
	plot := cmd.Flags().String("plot", "", "write a picture of what the recommender saw to this `FILE.svg`, \"-\" for standard output")
	cmd.MarkFlagsMutuallyExclusive("replay", "plot")
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		name, err := findFailure(cmd.Context(), conn, args[0], *attempt)
		if err != nil {
			return err
		}
		if *replay {
			return a.replay(cmd.Context(), conn, name)
		}
		if *plot != "" {
			return a.plot(cmd.Context(), conn, name, *plot)
		}
		r, err := lookUp(cmd.Context(), conn, name)
		if err != nil {
			return err
		}
		if *f != "table" {
			return r.write(*f, a.stdout)
		}
		return a.tell(r)
	}
	return cmd
}

// plot writes a picture of what the recommender saw for a failure.
func (a *app) plot(ctx context.Context, conn *grpc.ClientConn, name, file string) error {
	drawn, err := redrivev1.NewClassifierServiceClient(conn).PlotFailure(ctx, &redrivev1.PlotFailureRequest{Name: name})
	if err != nil {
		return err
	}
	if file == "-" {
		_, err := io.WriteString(a.stdout, drawn.GetSvg())
		return err
	}
	if err := os.WriteFile(file, []byte(drawn.GetSvg()), 0o644); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	a.say("%s shows %s; any browser opens it", file, name)
	return nil
}

// findFailure returns the name of the failure that arg means.
func findFailure(ctx context.Context, conn *grpc.ClientConn, arg string, attempt int) (string, error) {
	if strings.HasPrefix(arg, "failures/") {
		if attempt != 0 {
			return "", usagef("--attempt is of a job, and %s is one failure", arg)
		}
		return arg, nil
	}
	job, err := redrivev1.NewSchedulerServiceClient(conn).GetJob(ctx, &redrivev1.GetJobRequest{Name: nameOf("jobs", arg)})
	if errs.Is(err, errs.NotFound) && !strings.Contains(arg, "/") {
		return "failures/" + arg, nil
	}
	if err != nil {
		return "", err
	}
	for _, at := range slices.Backward(job.GetAttempts()) {
		if at.GetFailure() != "" && (attempt == 0 || int(at.GetNumber()) == attempt) {
			return at.GetFailure(), nil
		}
	}
	if attempt != 0 {
		return "", errs.New(errs.NotFound, "attempt %d of %s did not fail", attempt, job.GetName())
	}
	return "", errs.New(errs.NotFound, "no attempt of %s has failed", job.GetName())
}

// lookUp gets all that was kept of a failure.
func lookUp(ctx context.Context, conn *grpc.ClientConn, name string) (r record, err error) {
	if r.failure, err = redrivev1.NewClassifierServiceClient(conn).GetFailure(ctx, &redrivev1.GetFailureRequest{Name: name}); err != nil {
		return r, err
	}
	at := failure.AttemptFromProto(r.failure.GetAttempt())
	scheduler := redrivev1.NewSchedulerServiceClient(conn)
	if r.decision, err = orNone(scheduler.GetDecision(ctx, &redrivev1.GetDecisionRequest{Name: at.DecisionName()})); err != nil {
		return r, err
	}
	if r.job, err = orNone(scheduler.GetJob(ctx, &redrivev1.GetJobRequest{Name: at.JobName()})); err != nil {
		return r, err
	}
	if r.failure.GetPatch() != "" {
		r.patch, err = orNone(redrivev1.NewConfigServiceClient(conn).GetPatch(ctx, &redrivev1.GetPatchRequest{Name: r.failure.GetPatch()}))
	}
	return r, err
}

// orNone makes nil of a thing that is not there.
func orNone[T any](t *T, err error) (*T, error) {
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	return t, err
}

// after returns the configuration of the attempt that followed, and whether
// there was one.
func (r record) after() (*structpb.Struct, bool) {
	for _, at := range r.job.GetAttempts() {
		if at.GetNumber() == r.failure.GetAttempt().GetAttempt()+1 {
			return at.GetConfig(), true
		}
	}
	return nil, false
}

// before returns the configuration that failed.
func (r record) before() *structpb.Struct {
	if c := r.failure.GetAttemptConfig(); c != nil {
		return c
	}
	return r.failure.GetConfig()
}

func (a *app) tell(r record) error {
	a.tellFailure(r.failure)
	a.tellMatches(r.failure)
	if err := a.tellRecommendation(r.failure.GetRecommendation()); err != nil {
		return err
	}
	a.tellDecision(r.decision)
	a.tellConfig(r)
	return nil
}

// tellConfig says how the configuration changed, or would.
func (a *app) tellConfig(r record) {
	a.heading("Configuration")
	a.lines("it failed with  " + orNothing(screen.Config(r.before())))
	after, started := r.after()
	switch {
	case started:
		changes := screen.Changes(r.before(), after)
		if len(changes) == 0 {
			a.lines("the next attempt had the same")
		}
		for _, c := range changes {
			a.lines("next attempt    " + a.out.Good(c.String()))
		}
	case r.patch != nil:
		for _, op := range operations(r.patch.GetOperations()) {
			a.lines("planned         " + a.out.Good(op))
		}
	default:
		a.lines("no change is planned")
	}
	if r.patch != nil {
		a.lines(a.out.Faint(fmt.Sprintf("%s, %s, for %s", r.patch.GetName(), screen.Name(r.patch.GetState()), scopeOf(r.patch))))
	}
}

func orNothing(s string) string {
	if s == "" {
		return "nothing set"
	}
	return s
}

// write writes the record as one object.
func (r record) write(f format, w io.Writer) error {
	parts := []string{}
	add := func(name string, b []byte, err error) error {
		if err == nil {
			parts = append(parts, fmt.Sprintf("%q:%s", name, b))
		}
		return err
	}
	b, err := messageJSON(r.failure)
	if err := add("failure", b, err); err != nil {
		return err
	}
	if r.decision != nil {
		b, err = messageJSON(r.decision)
		if err := add("decision", b, err); err != nil {
			return err
		}
	}
	if r.patch != nil {
		b, err = messageJSON(r.patch)
		if err := add("patch", b, err); err != nil {
			return err
		}
	}
	return f.writeJSON(w, []byte("{"+strings.Join(parts, ",")+"}"))
}

// indented puts two blanks before what is written; each write is a line.
type indented struct{ w io.Writer }

func (i indented) Write(b []byte) (int, error) {
	if _, err := io.WriteString(i.w, "  "); err != nil {
		return 0, err
	}
	return i.w.Write(b)
}
