package command

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// jobFlags are the parts of a job that have a flag.
type jobFlags struct {
	workflow, step, engine, owner, workDir, memory, inputBytes string
	cores                                                      float64
	config, env, labels                                        []string
	runTimeout, deadline                                       time.Duration
}

func addJobFlags(cmd *cobra.Command) *jobFlags {
	j := &jobFlags{}
	f := cmd.Flags()
	f.StringVar(&j.workflow, "workflow", "", `the workflow that it belongs to (default "default" for a command)`)
	f.StringVar(&j.step, "step", "", "the step of the workflow (default the command's name)")
	f.StringVar(&j.engine, "engine", "", `the engine profile: process, jvm or spark (default "process" for a command)`)
	f.StringArrayVar(&j.config, "config", nil, "KEY=VALUE of the configuration; a VALUE that is JSON is taken as such (repeat)")
	f.StringVar(&j.memory, "memory", "", "memory_mb of the configuration, such as 512MiB or 2GiB")
	f.StringVar(&j.inputBytes, "input-bytes", "", "the size of what it reads, such as 1500000000 or 1.5GiB: how much memory is recommended depends on it")
	f.Float64Var(&j.cores, "cores", 0, "cores of the configuration")
	f.StringArrayVar(&j.env, "env", nil, "NAME=VALUE of the environment (repeat)")
	f.StringArrayVar(&j.labels, "label", nil, "KEY=VALUE (repeat)")
	f.StringVar(&j.owner, "owner", "", "who is to be told: a person or a team")
	f.StringVar(&j.workDir, "work-dir", "", "the working folder (default the current one for a command)")
	f.DurationVar(&j.runTimeout, "run-timeout", 0, "how long one attempt may run, such as 10m")
	f.DurationVar(&j.deadline, "deadline", 0, "how long the job may take over all attempts, such as 6h")
	return j
}

// apply puts what the flags say into job.
func (j *jobFlags) apply(cmd *cobra.Command, job *redrivev1.Job) error {
	if job.Type == nil {
		job.Type = &redrivev1.JobType{}
	}
	setText(&job.Type.Workflow, j.workflow)
	setText(&job.Type.Step, j.step)
	setText(&job.Type.Engine, j.engine)
	setText(&job.Owner, j.owner)
	if cmd.Flags().Changed("input-bytes") {
		size, err := inputSize(j.inputBytes)
		if err != nil {
			return err
		}
		job.InputBytes = size
	}
	if err := j.applyProcess(job); err != nil {
		return err
	}
	labels, err := addPairs("label", job.Labels, j.labels)
	if err != nil {
		return err
	}
	job.Labels = labels
	if j.runTimeout != 0 || j.deadline != 0 {
		if job.RetryPolicy == nil {
			job.RetryPolicy = &redrivev1.RetryPolicy{}
		}
		if j.runTimeout != 0 {
			job.RetryPolicy.RunTimeout = durationpb.New(j.runTimeout)
		}
		if j.deadline != 0 {
			job.RetryPolicy.Deadline = durationpb.New(j.deadline)
		}
	}
	return j.applyConfig(cmd, job)
}

func (j *jobFlags) applyProcess(job *redrivev1.Job) error {
	if j.workDir == "" && len(j.env) == 0 {
		return nil
	}
	var workDir *string
	var env *map[string]string
	if job.Spark != nil {
		workDir, env = &job.Spark.WorkDir, &job.Spark.Env
	} else {
		if job.Process == nil {
			job.Process = &redrivev1.ProcessTask{}
		}
		workDir, env = &job.Process.WorkDir, &job.Process.Env
	}
	if j.workDir != "" {
		abs, err := filepath.Abs(j.workDir)
		if err != nil {
			return err
		}
		*workDir = abs
	}
	var err error
	*env, err = addPairs("env", *env, j.env)
	return err
}

func (j *jobFlags) applyConfig(cmd *cobra.Command, job *redrivev1.Job) error {
	set := map[string]any{}
	for _, pair := range j.config {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return usagef("--config %q is not KEY=VALUE", pair)
		}
		set[key] = configValue(value)
	}
	if j.memory != "" {
		if job.GetType().GetEngine() == "spark" {
			return usagef("--memory is for the engines process and jvm; for spark write --config spark.executor.memory=4g")
		}
		mib, err := mebibytes(j.memory)
		if err != nil {
			return err
		}
		set["memory_mb"] = float64(mib)
	}
	if cmd.Flags().Changed("cores") {
		set["cores"] = j.cores
	}
	if len(set) == 0 {
		return nil
	}
	if job.Config == nil {
		job.Config = &structpb.Struct{}
	}
	if job.Config.Fields == nil {
		job.Config.Fields = map[string]*structpb.Value{}
	}
	for key, v := range set {
		value, err := structpb.NewValue(v)
		if err != nil {
			return usagef("--config %s: %w", key, err)
		}
		job.Config.Fields[key] = value
	}
	return nil
}

// configValue takes what is JSON as such, and everything else as text.
func configValue(s string) any {
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return s
	}
	return v
}

var sizePattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([MGT])(?:i?B)?$`)

// size reads an amount with a unit, in MiB; false when it is none. Units are
// binary, with or without the i.
func size(s string) (float64, bool) {
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, _ := strconv.ParseFloat(m[1], 64) // too many digits are infinitely much
	return n * map[string]float64{"M": 1, "G": 1 << 10, "T": 1 << 20}[m[2]], true
}

// inputSize reads the size of an input: a number of bytes, or with a unit.
func inputSize(s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil // the server says what it may be
	}
	n, ok := size(s)
	switch n *= 1 << 20; {
	case !ok:
		return 0, usagef("--input-bytes %q is not a size such as 1500000000, 512MiB or 1.5GiB", s)
	case n >= math.MaxInt64:
		return 0, usagef("--input-bytes %q is too large", s)
	}
	return int64(n), nil
}

// mebibytes reads an amount of memory.
func mebibytes(s string) (int64, error) {
	n, ok := size(s)
	switch {
	case !ok:
		return 0, usagef("--memory %q is not a size such as 512MiB or 2GiB", s)
	case n >= math.MaxInt64:
		return 0, usagef("--memory %q is too large", s)
	case n < 1 || n != math.Trunc(n):
		return 0, usagef("--memory %q is not a whole number of MiB", s)
	}
	return int64(n), nil
}

func addPairs(flag string, into map[string]string, pairs []string) (map[string]string, error) {
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return into, usageError{fmt.Errorf("--%s %q is not KEY=VALUE", flag, pair)}
		}
		if into == nil {
			into = map[string]string{}
		}
		into[key] = value
	}
	return into, nil
}

func setText(into *string, s string) {
	if s != "" {
		*into = s
	}
}
