package command_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// laboratory has two clusters: a rule of the first one is proven, the second has
// no logs.
type laboratory struct {
	redrivev1.UnimplementedClassifierServiceServer
	unproven bool
	last     proto.Message
}

func (l *laboratory) clusters() []*redrivev1.Cluster {
	return []*redrivev1.Cluster{
		{
			Name: "clusters/a", Template: "could not reach reactor re#", State: redrivev1.Cluster_STATE_OPEN, Count: 300, Jobs: 128, WastedSeconds: 7200, WastedGbSeconds: 36000,
			FirstTime: ago(0), LastTime: ago(0), Examples: []*redrivev1.ClusterExample{{Failure: "failures/f1", Job: "jobs/x", Line: "could not reach reactor re-1\x1b[2J", Time: ago(0)}},
		},
		{Name: "clusters/b", Template: "(no-log) exit code 3", State: redrivev1.Cluster_STATE_OPEN, Count: 2, Jobs: 1, WastedSeconds: 60},
	}
}

func (l *laboratory) ListClusters(_ context.Context, r *redrivev1.ListClustersRequest) (*redrivev1.ListClustersResponse, error) {
	l.last = r
	return &redrivev1.ListClustersResponse{Clusters: l.clusters()}, nil
}

func (l *laboratory) GetCluster(context.Context, *redrivev1.GetClusterRequest) (*redrivev1.Cluster, error) {
	return l.clusters()[0], nil
}

func (l *laboratory) DismissCluster(_ context.Context, r *redrivev1.DismissClusterRequest) (*redrivev1.Cluster, error) {
	l.last = r
	return &redrivev1.Cluster{Name: r.GetName(), State: redrivev1.Cluster_STATE_DISMISSED}, nil
}

func (l *laboratory) SuggestRule(_ context.Context, r *redrivev1.SuggestRuleRequest) (*redrivev1.RuleSuggestion, error) {
	if r.GetName() == "clusters/b" {
		return nil, errs.New(errs.FailedPrecondition, "clusters/b: its failures have no logs")
	}
	s := &redrivev1.RuleSuggestion{
		Rule: &redrivev1.Rule{
			Name: "rules/could-not-reach-reactor", Order: 4900, Any: []string{`could not reach reactor (?P<reactor>\S+)`}, Class: "dependency.unavailable",
			Summary: "could not reach reactor {reactor}", Mode: redrivev1.Rule_MODE_SHADOW,
		},
		Examined: 100, Support: 99, ClassifiedExamined: 40, SuccessfulExamined: 12, Proven: true, RetriesSucceeded: 3, RetriesFailed: 1,
		Examples: l.clusters()[0].GetExamples(), Doubts: []string{"it does not match 1 of its 100 failures"},
	}
	if l.unproven {
		s.Proven, s.SuccessfulMatched, s.Wrong = false, 1, []*redrivev1.ClusterExample{{Job: "jobs/y", Line: "could not reach reactor re-9, trying another"}}
	}
	return s, nil
}

func (l *laboratory) AcceptSuggestion(_ context.Context, r *redrivev1.AcceptSuggestionRequest) (*redrivev1.Rule, error) {
	l.last = r
	return &redrivev1.Rule{Name: "rules/" + r.GetRuleId(), Class: r.GetClass(), Mode: redrivev1.Rule_MODE_SHADOW}, nil
}

func TestClustersAndTheirRules(t *testing.T) {
	for _, tc := range []struct {
		name     string
		args     []string
		unproven bool
		status   int
		stdout   []string
		stderr   []string
		want     proto.Message
	}{
		{
			name: "list", args: []string{"clusters", "list", "--all"},
			stdout: []string{"clusters/a  OPEN   300       128+  2 h     10.0      now   could not reach reactor re#\n", "clusters/b"},
			want:   &redrivev1.ListClustersRequest{PageSize: 100, All: true},
		},
		{name: "get", args: []string{"clusters", "get", "a"}, stdout: []string{"failures  300 of 128+ jobs\n", "wasted    2 h, 10.0 GB-hours\n", "failures/f1  jobs/x  now   could not reach reactor re-1·[2J\n"}},
		{name: "list as JSON", args: []string{"clusters", "list", "-o", "json"}, stdout: []string{"\"clusters\": ["}},
		{
			name: "dismiss", args: []string{"clusters", "dismiss", "a", "--reason", "ours"}, stdout: []string{"clusters/a is DISMISSED\n"},
			want: &redrivev1.DismissClusterRequest{Name: "clusters/a", Reason: "ours"},
		},
		{name: "undo", args: []string{"clusters", "dismiss", "a", "--undo"}, want: &redrivev1.DismissClusterRequest{Name: "clusters/a", Undismiss: true}},
		{
			name: "the best", args: []string{"rules", "suggest", "--limit", "2"},
			stdout: []string{
				"clusters/a  300       2 h     could-not-reach-reactor  dependency.unavailable  yes     could not reach reactor {reactor}\n",
				"clusters/b  2         60 s                                                     no      its failures have no logs\n",
			},
			want: &redrivev1.ListClustersRequest{PageSize: 2},
		},
		{name: "the best as YAML", args: []string{"rules", "suggest", "-o", "yaml"}, stdout: []string{"suggestions:\n  - rule:\n"}},
		{name: "too many", args: []string{"rules", "suggest", "--limit", "51"}, status: command.ExitUsage, stderr: []string{"--limit is 1 to 50"}},
		{
			name: "one that is proven", args: []string{"rules", "suggest", "a"},
			stdout: []string{
				"name: rules/could-not-reach-reactor\n", `could not reach reactor (?P<reactor>\S+)`, "99 of 100 of the cluster's stored failures\n", "0 of 40 classified failures\n",
				"0 of 12 logs of attempts that succeeded\n", "3 succeeded, 1 failed\n", "Doubts\n  it does not match 1 of its 100 failures\n",
			},
			stderr: []string{"The rule is proven.", "`redrive rules accept clusters/a`"},
		},
		{
			name: "one that is not", args: []string{"rules", "suggest", "clusters/a"}, unproven: true, status: command.ExitNegative,
			stdout: []string{"Matches, and must not\n", "(succeeded)  jobs/y"}, stderr: []string{"The rule is not proven.", "--force"},
		},
		{name: "without logs", args: []string{"rules", "suggest", "b"}, status: command.ExitNegative, stderr: []string{"error: clusters/b: its failures have no logs"}},
		{
			name:   "accept",
			args:   []string{"rules", "accept", "a", "--id", "re", "--class", "disk.full", "--verdict", "retry-slowly", "--summary", "s", "--runbook", "r", "--etag", "e", "--reason", "w", "--force", "--author", "me"},
			stdout: []string{"rules/re is in SHADOW: class disk.full, verdict RETRY_SLOWLY\n"},
			want: &redrivev1.AcceptSuggestionRequest{
				Name: "clusters/a", RuleId: "re", Class: "disk.full", Verdict: redrivev1.Verdict_VERDICT_RETRY_SLOWLY, Summary: "s", Runbook: "r", Etag: "e", Reason: "w", Force: true, Author: "me",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := &laboratory{unproven: tc.unproven}
			dir := start(t, services{classifier: l})
			run(t, "", append([]string{"--data", dir}, tc.args...)...).check(t, tc.status, tc.stdout, tc.stderr)
			if tc.want != nil && !proto.Equal(l.last, tc.want) {
				t.Errorf("request %v\nwant    %v", l.last, tc.want)
			}
		})
	}
}
