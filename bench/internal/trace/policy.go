package trace

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// request asks a policy for the memory of the next attempt.
type request struct {
	Kind     string    `json:"kind"` // "allocate"
	ID       int       `json:"id"`
	Source   string    `json:"source"`
	Workflow string    `json:"workflow"`
	Run      string    `json:"run"`
	Type     string    `json:"task_type"`
	Attempt  int       `json:"attempt"`
	Input    float64   `json:"input_bytes"`
	Cores    float64   `json:"cores"`
	Preset   float64   `json:"preset_mem_bytes"`
	Cap      float64   `json:"cap_mem_bytes"`
	Failed   bool      `json:"failed"`
	Last     float64   `json:"last_mem_bytes"`
	Prev     []attempt `json:"prev,omitempty"`
}

type attempt struct {
	Memory  float64 `json:"mem_bytes"`
	Cores   float64 `json:"cores"`
	Seconds float64 `json:"runtime_s"`
	Reason  string  `json:"reason"`
}

// decision is the answer.
type decision struct {
	ID     int     `json:"id"`
	Action string  `json:"action"` // "run" or "stop"
	Memory float64 `json:"mem_bytes"`
	Cores  float64 `json:"cores"`
	Index  int     `json:"index"`
}

// outcome tells a policy how an attempt ended. Nothing is answered.
type outcome struct {
	Kind     string  `json:"kind"` // "outcome"
	ID       int     `json:"id"`
	Source   string  `json:"source"`
	Workflow string  `json:"workflow"`
	Run      string  `json:"run"`
	Type     string  `json:"task_type"`
	Attempt  int     `json:"attempt"`
	OK       bool    `json:"ok"`
	Memory   float64 `json:"mem_bytes"`
	Peak     float64 `json:"peak_bytes,omitempty"` // of a success
	Seconds  float64 `json:"runtime_s"`
	Input    float64 `json:"input_bytes"`
	Cores    float64 `json:"cores"`
	Reason   string  `json:"reason,omitempty"`
}

// policy gives tasks their memory and learns.
type policy interface {
	next(request) (decision, error)
	observe(outcome) error
}

// doubling gives a retry twice as much, and a first attempt what was set.
type doubling struct{}

func (doubling) next(r request) (decision, error) {
	if !r.Failed {
		return decision{Memory: r.Preset}, nil
	}
	return decision{Memory: min(2*r.Last, r.Cap)}, nil
}

func (doubling) observe(outcome) error { return nil }

// oracle knows what a task needs.
type oracle map[int]float64

func (o oracle) next(r request) (decision, error) {
	if o[r.ID] > r.Cap {
		return decision{Action: "stop"}, nil
	}
	return decision{Memory: o[r.ID]}, nil
}

func (oracle) observe(outcome) error { return nil }

// command is a policy in another process: JSON lines on its standard input and
// output.
type command struct {
	process *exec.Cmd
	pipe    io.WriteCloser
	in      *bufio.Writer
	out     *bufio.Reader
}

func startCommand(ctx context.Context, line string) (*command, error) {
	c := exec.CommandContext(ctx, "sh", "-c", line)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	return &command{process: c, pipe: in, in: bufio.NewWriter(in), out: bufio.NewReader(out)}, nil
}

func (c *command) send(v any) error { return json.NewEncoder(c.in).Encode(v) }

func (c *command) next(r request) (d decision, err error) {
	if err := errors.Join(c.send(r), c.in.Flush()); err != nil {
		return d, err
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return d, fmt.Errorf("no answer to task %d: %w", r.ID, err)
	}
	if err := json.Unmarshal(line, &d); err != nil {
		return d, fmt.Errorf("the answer %q to task %d: %w", line, r.ID, err)
	}
	if d.ID != r.ID {
		return d, fmt.Errorf("the answer %q is to task %d, task %d was asked about", line, d.ID, r.ID)
	}
	return d, nil
}

func (c *command) observe(o outcome) error { return c.send(o) }

func (c *command) stop() error {
	return errors.Join(c.in.Flush(), c.pipe.Close(), c.process.Wait())
}

// Echo answers requests on in with what was set, and the first cluster: what it
// takes is what the protocol costs alone.
func Echo(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	answers := bufio.NewWriter(out)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		if r.Kind != "allocate" && r.Kind != "choose" {
			continue
		}
		answer := decision{ID: r.ID, Action: "run", Memory: max(r.Preset, 2*r.Last), Cores: r.Cores}
		if err := errors.Join(json.NewEncoder(answers).Encode(answer), answers.Flush()); err != nil {
			return err
		}
	}
	return lines.Err()
}
