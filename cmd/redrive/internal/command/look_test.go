package command_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// manyJobs lists n jobs and counts the calls that it took.
type manyJobs struct {
	redrivev1.UnimplementedSchedulerServiceServer
	n     int
	calls []*redrivev1.ListJobsRequest
}

func (m *manyJobs) ListJobs(_ context.Context, r *redrivev1.ListJobsRequest) (*redrivev1.ListJobsResponse, error) {
	m.calls = append(m.calls, r)
	first, _ := strconv.Atoi(r.GetPageToken())
	resp := &redrivev1.ListJobsResponse{}
	for i := first; i < m.n && i < first+int(r.GetPageSize()); i++ {
		resp.Jobs = append(resp.Jobs, &redrivev1.Job{
			Name: fmt.Sprintf("jobs/j%03d", i), Type: &redrivev1.JobType{Workflow: "sales", Step: "load", Engine: "process"},
			State: redrivev1.Job_STATE_WAITING, StateReason: "memory\x1b[2J\nran out", CreateTime: ago(3 * time.Minute),
			DueTime: timestamppb.New(time.Now().Add(time.Hour)), Attempts: []*redrivev1.Attempt{{Number: 1}},
		})
	}
	if next := first + len(resp.GetJobs()); next < m.n {
		resp.NextPageToken = strconv.Itoa(next)
	}
	return resp, nil
}

func TestListTakesAllPagesWithinABound(t *testing.T) {
	for _, tc := range []struct {
		n           int
		args        []string
		lines, call int
		more        bool
	}{
		{0, nil, 0, 1, false},
		{250, nil, 250, 3, false},
		{250, []string{"--page-size", "1000"}, 250, 1, false},
		{250, []string{"--limit", "120"}, 120, 2, true},
		{120, []string{"--limit", "120"}, 120, 2, false},
		{1500, nil, 1000, 10, true},
		{1500, []string{"--limit", "0", "--page-size", "500"}, 1500, 3, false},
	} {
		t.Run(fmt.Sprint(tc.n, tc.args), func(t *testing.T) {
			jobs := &manyJobs{n: tc.n}
			dir := start(t, services{scheduler: jobs})
			r := run(t, "", append([]string{"--data", dir, "jobs", "list"}, tc.args...)...)
			r.check(t, command.ExitOK, nil, nil)
			if got := max(strings.Count(r.stdout, "\n")-1, 0); got != tc.lines {
				t.Errorf("%d jobs, want %d", got, tc.lines)
			}
			if len(jobs.calls) != tc.call {
				t.Errorf("%d calls, want %d", len(jobs.calls), tc.call)
			}
			if got := strings.Contains(r.stderr, "--limit shows more"); got != tc.more {
				t.Errorf("says that there is more: %v, want %v (%s)", got, tc.more, r.stderr)
			}
		})
	}
}

func TestListShowsWhatAPersonOrAScriptReads(t *testing.T) {
	jobs := &manyJobs{n: 1}
	dir := start(t, services{scheduler: jobs})
	r := run(t, "", "--data", dir, "jobs", "list", "--state", "waiting", "--workflow", "sales")
	r.check(t, command.ExitOK, nil, nil)
	want := "NAME       TYPE        ENGINE   STATE    ATTEMPTS  NEXT      CREATED    REASON\n" +
		"jobs/j000  sales/load  process  WAITING  1         in 60 min  3 min ago  memory·[2J ran out\n"
	if strings.Join(strings.Fields(r.stdout), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got\n%swant\n%s", r.stdout, want)
	}
	if got := jobs.calls[0]; got.GetState() != redrivev1.Job_STATE_WAITING || got.GetWorkflow() != "sales" {
		t.Errorf("asked for %v, want the filters", got)
	}
	var doc struct {
		Jobs []struct{ Name, State string }
	}
	r = run(t, "", "--data", dir, "jobs", "list", "-o", "json")
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || len(doc.Jobs) != 1 || doc.Jobs[0].State != "STATE_WAITING" {
		t.Errorf("JSON (%v):\n%s", err, r.stdout)
	}
	run(t, "", "--data", dir, "jobs", "list", "-o", "yaml").check(t, command.ExitOK, []string{"jobs:\n  - name: jobs/j000\n", "state: STATE_WAITING"}, nil)
	jobs.n = 0
	run(t, "", "--data", dir, "jobs", "list").check(t, command.ExitOK, nil, []string{"There are no such jobs."})
	if r := run(t, "", "--data", dir, "jobs", "list", "-o", "json"); r.stdout != "{\n  \"jobs\": []\n}\n" {
		t.Errorf("no jobs as JSON = %q", r.stdout)
	}
}

// refusing answers each call with its error.
type refusing struct {
	redrivev1.UnimplementedSchedulerServiceServer
	err error
}

func (r refusing) GetJob(context.Context, *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
	return nil, r.err
}

func TestErrorsOfTheServerAreForPeople(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		status int
		want   []string
	}{
		{"not found", errs.New(errs.NotFound, "there is no jobs/a"), command.ExitNegative, []string{"error: there is no jobs/a"}},
		{"one field", errs.Field("name", "is empty"), command.ExitUsage, []string{"error: name: is empty"}},
		{
			"two fields", errs.Fields(errs.Field("job.type", "is required"), errs.Field("job.config", "is too large")), command.ExitUsage,
			[]string{"error: 2 things are wrong:\n  job.type: is required\n  job.config: is too large\n"},
		},
		{"busy", errs.Again(3*time.Second, "the store is down"), command.ExitNegative, []string{"error: the store is down\n  try again in 3s"}},
		{"a defect", fmt.Errorf("secret"), command.ExitNegative, []string{"error: internal error"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := start(t, services{scheduler: refusing{err: tc.err}})
			run(t, "", "--data", dir, "jobs", "get", "a").check(t, tc.status, nil, tc.want)
		})
	}
	dir := start(t, services{scheduler: refusing{}})
	t.Setenv("REDRIVE_TOKEN", strings.Repeat("x", 40))
	runHere(t, "", "--data", dir, "jobs", "get", "a").check(t, command.ExitNegative, nil, []string{"does not accept this token", "--token-file"})
}
