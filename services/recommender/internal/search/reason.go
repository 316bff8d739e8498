package search

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
)

// names of the parts, for people.
var names = map[engine.Part]string{
	engine.Tree: "memory", engine.Heap: "the heap", engine.DriverHeap: "the driver's memory",
	engine.ExecutorHeap: "the executors' memory", engine.Overhead: "the executors' memory overhead",
	engine.Python: "the executors' Python memory", engine.DriverResult: "the limit of what the driver takes as results",
}

func (in *Inputs) changed(c Candidate) string {
	if in.First {
		return in.sized(c)
	}
	what := fmt.Sprintf("raise %s from %s to %s", names[in.Setting.Part], Bytes(in.Setting.Memory), Bytes(c.Memory))
	if c.Memory == in.Setting.Memory {
		what = fmt.Sprintf("keep %s at %s", names[in.Setting.Part], Bytes(c.Memory))
	}
	now := in.Setting.Size
	for _, other := range []struct {
		name     string
		from, to float64
	}{
		{"cores", now.Cores, c.Cores},
		{"cores of a task", max(now.TaskCPUs, 1), max(c.TaskCPUs, 1)},
		{"executors", now.Instances, c.Instances},
		{"shuffle partitions", now.Partitions, c.Partitions},
	} {
		if other.from != other.to {
			what += fmt.Sprintf(", %s from %g to %g", other.name, other.from, other.to)
		}
	}
	return fmt.Sprintf("%s: more than %s is needed; the retry fails with probability %.2g and costs %s",
		what, Bytes(in.Proven), c.FailProbability, dollars(c.ExpectedCost))
}

// sized says what a first attempt is given.
func (in *Inputs) sized(c Candidate) string {
	what := fmt.Sprintf("set %s to %s", names[in.Setting.Part], Bytes(c.Memory))
	if in.Setting.Memory > 0 && in.Setting.Memory != c.Memory {
		what += " instead of " + Bytes(in.Setting.Memory)
	}
	return fmt.Sprintf("%s: the attempt fails with probability %.2g, and its memory costs %s", what, c.FailProbability, dollars(c.ExpectedCost))
}

func onCluster(from failure.Shape, to Candidate) string {
	return fmt.Sprintf("run on %s instead of %s: it takes %.0f s, fails with probability %.2g and costs %s",
		cluster(to.Shape), cluster(from), to.Seconds, to.FailProbability, dollars(to.ExpectedCost))
}

// cluster names a cluster for people.
func cluster(s failure.Shape) string {
	if s.Name != "" {
		return s.Name
	}
	return fmt.Sprintf("%d x %s of %g cores and %s", s.Nodes, cmp.Or(s.InstanceType, "machines"), s.CoresPerNode, Bytes(s.MemoryPerNode))
}

func (in *Inputs) kept(c Candidate) string {
	return fmt.Sprintf("nothing shows that another configuration would help; a retry fails with probability %.2g and costs %s",
		c.FailProbability, dollars(c.ExpectedCost))
}

func (in *Inputs) noneHolds(p float64) string {
	return fmt.Sprintf("the best retry fails with probability %.2g, more than %.2g, by %d observed attempts",
		p, in.Settings.NotFeasible, in.Observations)
}

func (in *Inputs) noSetting() string {
	if in.Setting.Part == engine.NoPart {
		return "memory ran out of which no setting of the engine gives more"
	}
	return fmt.Sprintf("%s ran out, and neither the configuration nor the evidence names a limit that could be raised", names[in.Setting.Part])
}

func (in *Inputs) ceiling() string {
	given := "no more may be given"
	has := func(n Node) bool { return n.has(in.Setting.Cores) }
	switch total := in.room().total; {
	case total == 0 && len(in.Settings.Nodes) > 0 && !slices.ContainsFunc(in.Settings.Nodes, has):
		given = "no node has the cores for it"
	case total == 0:
		given = "none of the totals that are allowed may be given"
	case total < Unbounded:
		given = fmt.Sprintf("at most %s in all may be given", Bytes(total))
	}
	return fmt.Sprintf("%s of more than %s is needed, and %s", names[in.Setting.Part], Bytes(in.Proven), given)
}

// Bytes writes an amount of memory for people.
func Bytes(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.0f GiB", float64(n)/(1<<30))
	case n >= 1<<30:
		return fmt.Sprintf("%.3g GiB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.3g MiB", float64(n)/(1<<20))
}

func dollars(x float64) string { return fmt.Sprintf("$%.3g", x) }
