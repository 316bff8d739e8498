package trace

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Program is the program that plays traces of real tasks.
type Program struct {
	Path   string // of the program
	Traces string // the folder with the traces
}

// Tasks plays a trace of tasks against a policy: a name, "all" or
// "cmd:COMMAND". args are further flags.
func (p Program) Tasks(ctx context.Context, policy string, args ...string) ([]Result, error) {
	var all []struct {
		Policy  string           `json:"policy"`
		Total   Score            `json:"total"`
		Streams map[string]Score `json:"streams"`
	}
	if err := p.run(ctx, &all, policy, args); err != nil {
		return nil, err
	}
	var results []Result
	for _, r := range all {
		results = append(results, Result{r.Policy, r.Total, r.Streams})
	}
	return results, nil
}

// Configs plays the trace of clusters: every application in turn is what the
// policy has not seen.
func (p Program) Configs(ctx context.Context, policy string, args ...string) ([]ConfigResult, error) {
	var all []struct {
		Policy    string                 `json:"policy"`
		Total     ConfigScore            `json:"total"`
		Workloads map[string]ConfigScore `json:"workloads"`
	}
	if err := p.run(ctx, &all, policy, append([]string{"-track", "configs"}, args...)); err != nil {
		return nil, err
	}
	var results []ConfigResult
	for _, r := range all {
		results = append(results, ConfigResult{r.Policy, r.Total, r.Workloads})
	}
	return results, nil
}

func (p Program) run(ctx context.Context, into any, policy string, args []string) error {
	c := exec.CommandContext(ctx, p.Path, append([]string{"-data", p.Traces, "-json", "-policy", policy}, args...)...)
	c.Stderr = os.Stderr
	b, err := c.Output()
	if err != nil {
		return fmt.Errorf("%s %s of %s: %w", p.Path, strings.Join(args, " "), policy, err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read what %s says of %s: %w", p.Path, policy, err)
	}
	return nil
}
