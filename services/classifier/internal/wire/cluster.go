package wire

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
)

const clusterPrefix = "clusters/"

// ClusterName returns the resource name of a cluster.
func ClusterName(id string) string { return clusterPrefix + id }

// ClusterID reads the resource name of a cluster; field names it in the error.
func ClusterID(field, name string) (string, error) {
	id, ok := strings.CutPrefix(name, clusterPrefix)
	if !ok || id == "" || len(id) > 64 || strings.Contains(id, "/") {
		return "", errs.Field(field, "%q is not clusters/{cluster}", name)
	}
	return id, nil
}

// Cluster writes a cluster for the wire.
func Cluster(c *cluster.Cluster) *redrivev1.Cluster {
	p := &redrivev1.Cluster{
		Name: ClusterName(c.ID), Template: strings.Join(c.Words, " "), State: redrivev1.Cluster_State(c.State),
		Count: c.Count, Jobs: int32(len(c.Jobs)), WastedSeconds: c.Seconds, WastedGbSeconds: c.GBSeconds,
		FirstTime: wellknown.Timestamp(c.First), LastTime: wellknown.Timestamp(c.Last),
		Rule: RuleName(c.Rule), DismissReason: c.DismissReason, Etag: ClusterEtag(c),
	}
	for _, e := range c.Examples {
		p.Examples = append(p.Examples, ClusterExample(e))
	}
	return p
}

// ClusterEtag names what a human has seen of a cluster when he decides on it:
// not its counts, which change all the time.
func ClusterEtag(c *cluster.Cluster) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %q %q", c.Words, c.State, c.Rule, c.DismissReason))
	return hex.EncodeToString(sum[:8])
}

// ClusterExample writes an example for the wire.
func ClusterExample(e cluster.Example) *redrivev1.ClusterExample {
	p := &redrivev1.ClusterExample{Job: e.Job, Line: e.Line, Time: wellknown.Timestamp(e.Time)}
	if e.Failure != "" { // else it is an attempt that succeeded
		p.Failure = FailureName(e.Failure)
	}
	return p
}

// ClusterRecord writes a cluster as it is kept.
func ClusterRecord(c *cluster.Cluster) *redrivev1.ClusterRecord {
	r := &redrivev1.ClusterRecord{
		Cluster: Cluster(c), Path: c.Path, Sequence: c.Sequence, JobDigests: c.Jobs, Cost: c.Cost, Checked: c.Checked, AcceptedRule: RuleName(c.AcceptedRule),
	}
	r.Cluster.Etag = ""
	return r
}

// ClusterFromRecord reads a cluster that was kept at a revision.
func ClusterFromRecord(r *redrivev1.ClusterRecord, revision int64) *cluster.Cluster {
	p := r.GetCluster()
	c := &cluster.Cluster{
		ID: strings.TrimPrefix(p.GetName(), clusterPrefix), Words: strings.Fields(p.GetTemplate()), State: cluster.State(p.GetState()),
		Count: p.GetCount(), Jobs: r.GetJobDigests(), Seconds: p.GetWastedSeconds(), GBSeconds: p.GetWastedGbSeconds(), Cost: r.GetCost(),
		First: wellknown.Time(p.GetFirstTime()), Last: wellknown.Time(p.GetLastTime()),
		Rule: strings.TrimPrefix(p.GetRule(), rulePrefix), AcceptedRule: strings.TrimPrefix(r.GetAcceptedRule(), rulePrefix),
		DismissReason: p.GetDismissReason(), Checked: r.GetChecked(), Path: r.GetPath(), Sequence: r.GetSequence(), Revision: revision,
	}
	for _, e := range p.GetExamples() {
		c.Examples = append(c.Examples, cluster.Example{
			Failure: strings.TrimPrefix(e.GetFailure(), failurePrefix), Job: e.GetJob(), Line: e.GetLine(), Time: wellknown.Time(e.GetTime()),
		})
	}
	return c
}

// UnknownFailure reads what a cluster takes from a failure; ok is false for one
// that a rule knows.
func UnknownFailure(p *redrivev1.Failure) (f cluster.Failure, ok bool) {
	said := finalize.Result{Class: failure.Class(p.GetClass()), Summary: p.GetSummary(), Excerpt: p.GetExcerpt()}
	a, e := failure.AttemptFromProto(p.GetAttempt()), p.GetEvidence()
	f = cluster.Failure{ID: a.FailureID(), Job: a.JobName(), Time: wellknown.Time(p.GetCreateTime()), Ran: e.GetDuration().AsDuration()}
	if f.Ran <= 0 && e.GetStartTime() != nil && e.GetEndTime() != nil {
		f.Ran = max(e.GetEndTime().AsTime().Sub(e.GetStartTime().AsTime()), 0)
	}
	f.Memory = cmp.Or(e.GetMemoryLimitBytes(), e.GetPeakMemoryBytes())
	f.Line, f.Bare, ok = said.Spoken()
	return f, ok
}
