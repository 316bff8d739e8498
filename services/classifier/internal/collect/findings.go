package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
)

// findings are what came of all references of a failure.
type findings struct {
	all     []finding
	now     time.Time
	timeout time.Duration
}

// into puts what was read into e, whose logs are its own: the first log of a
// reference takes the place of the one that referred to it, the others come
// last. Facts fill what e lacks.
func (fs findings) into(e failure.Evidence) (filled failure.Evidence, warnings []string, late bool) {
	warn := func(name, format string, args ...any) {
		text := clip(redact.Text(fmt.Sprintf(format, args...)))
		if name == "" {
			name = "log"
		}
		warnings = append(warnings, fmt.Sprintf("log %q %s", name, text))
	}
	for _, f := range fs.all {
		e = withFacts(e, f.facts)
		name := f.name
		if f.log >= 0 {
			name = e.Logs[f.log].Source
		}
		if f.note != "" {
			warn(name, "%s", f.note)
			if f.log >= 0 && !slices.ContainsFunc(f.logs, func(r reading) bool { return !r.aside }) {
				e.Logs[f.log].Problem = clip(f.note)
			}
		}
		if err := fs.problem(f.err, f.ended); err != nil {
			warn(name, "was not read: %v", err)
			late = late || again(f.uri, err)
			if f.log >= 0 {
				e.Logs[f.log].Problem = clip(err.Error())
			}
			continue
		}
		for k, r := range f.logs {
			l := failure.Log{Source: r.name, URI: r.uri}
			if l.URI == "" {
				l.URI = f.uri
			}
			at := f.log
			if k > 0 || at < 0 || r.aside {
				if l.Source == "" {
					l.Source = name
				}
				at = slices.IndexFunc(e.Logs, func(o failure.Log) bool { return o.URI == l.URI })
			}
			if at >= 0 {
				l = e.Logs[at]
			}
			if l.Source == "" {
				l.Source = r.name
			}
			err := fs.problem(r.err, r.ended)
			late = late || r.growing && again(f.uri, nil) || again(f.uri, err) && err != nil
			l = r.fill(l, fs.now)
			if err != nil {
				how := "was not read"
				if r.window.Head != "" {
					how = "was read in part"
				}
				warn(l.Source, "%s: %v", how, err)
				l.Problem = clip(err.Error())
			}
			switch {
			case at >= 0:
				e.Logs[at] = l
			case err != nil && r.window.Head == "": // the warning says it
			case len(e.Logs) < failure.MaxLogs:
				e.Logs = append(e.Logs, l)
			default:
				warn(l.Source, "was left out: %d logs are kept", failure.MaxLogs)
			}
		}
	}
	return e, warnings, late
}

// fill returns l with the text that was read, if any was.
func (r reading) fill(l failure.Log, now time.Time) failure.Log {
	w := r.window
	if w.Head == "" && (r.err != nil || !r.ended) {
		return l
	}
	l.Head, l.Tail, l.SizeBytes, l.Truncated, l.Problem = w.Head, w.Tail, w.Size, w.Cut, ""
	l.ReadTime = now
	return l
}

// problem is why there is no log, for a person; nil when there is.
func (fs findings) problem(err error, ended bool) error {
	if !ended || errors.Is(err, context.DeadlineExceeded) {
		return errs.New(errs.Unavailable, "it took longer than %v", fs.timeout)
	}
	return err
}

// again reports whether reading a log later may help. A URL with a secret in
// it is not kept, and cannot be read again.
func again(uri string, err error) bool {
	return (err == nil || errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unavailable)) && redact.Text(uri) == uri
}

// withFacts fills what e lacks. A reason comes with its proof.
func withFacts(e, facts failure.Evidence) failure.Evidence {
	if e.ExitCode == nil && e.Signal == 0 {
		e.ExitCode, e.Signal = facts.ExitCode, facts.Signal
	}
	if facts.Reason != failure.ReasonNone && (e.Reason == failure.ReasonNone || e.Reason == failure.Exited && facts.Reason == failure.OutOfMemory) {
		e.Reason, e.Proof = facts.Reason, facts.Proof
	}
	if e.LimitBytes == 0 {
		e.LimitBytes = facts.LimitBytes
	}
	if e.Node == "" {
		e.Node = facts.Node
	}
	if e.Start.IsZero() && e.End.IsZero() {
		e.Start, e.End = facts.Start, facts.End
	}
	return e
}
