// Package collect turns evidence as it was told into evidence as it is kept
// and matched: read where it only refers to a log, cleaned, without secrets,
// and within its bounds.
package collect

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

// Options say where logs are and how long reading them may take.
type Options struct {
	// Drivers read the logs of URLs, by their scheme; other URLs are refused.
	Drivers map[string]source.Driver
	// Templates lead from an application's id to more logs.
	Templates []Template
	// Timeout bounds the reading of all logs of a failure together; 5 s.
	Timeout time.Duration
	// Settle is how long before the reading a log must have been written last to
	// count as complete, unless the attempt ended later than that; 10 s.
	Settle time.Duration
}

// The defaults of Options, and how many logs are read at a time: of one
// failure, and of all. Who finds all places taken waits within its time.
const (
	DefaultTimeout = 5 * time.Second
	defaultSettle  = 10 * time.Second
	atOnce         = 4
	atOnceOfAll    = 32
)

// Collector reads logs. Its zero value reads none.
type Collector struct {
	options Options
	places  chan struct{}
}

// New returns a collector.
func New(o Options) Collector {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Settle == 0 {
		o.Settle = defaultSettle
	}
	return Collector{o, make(chan struct{}, atOnceOfAll)}
}

// Ask is what there is to collect.
type Ask struct {
	Evidence failure.Evidence
	// Labels may name the application; see Templates.
	Labels map[string]string
	Now    time.Time
	// Again says that the evidence was collected before: what was read then is
	// read once more.
	Again bool
}

// Answer is what came of it.
type Answer struct {
	// Evidence is ready to be stored and matched.
	Evidence failure.Evidence
	// Warnings say what could not be read.
	Warnings []string
	// Late says that a log was not there yet, or is still being written: reading
	// it again later may show more.
	Late bool
}

// Collect collects. It never fails: what cannot be read is decided without, and
// a log's Problem and the warnings say so. A log is read from its URL only when
// what is told of it inline is cut or empty.
func (c Collector) Collect(ctx context.Context, a Ask) Answer {
	e, warnings := bounded(a.Evidence)
	if !a.Again {
		for i := range e.Logs {
			e.Logs[i].Problem, e.Logs[i].ReadTime = "", time.Time{} // ours to say
		}
	}
	var late bool
	if refs := c.refs(e, a); len(refs) > 0 {
		var more []string
		e, more, late = c.read(ctx, a, refs).into(e)
		warnings = append(warnings, more...)
	}
	return Answer{Evidence: cleaned(e), Warnings: warnings, Late: late}
}

// Inline returns evidence ready to be stored and matched without reading any
// log that it refers to, and what had to be left out.
func Inline(e failure.Evidence) (failure.Evidence, []string) {
	e, warnings := bounded(e)
	return cleaned(e), warnings
}

// Text returns the evidence that a bare text is: one log of unknown source.
func Text(s string) failure.Evidence {
	e, _ := Inline(failure.Evidence{Logs: []failure.Log{{Head: s}}})
	return e
}

// bounded returns e with its first logs, in a slice of their own.
func bounded(e failure.Evidence) (failure.Evidence, []string) {
	var warnings []string
	if len(e.Logs) > failure.MaxLogs {
		warnings = append(warnings, fmt.Sprintf("%d logs are more than %d: the rest was left out", len(e.Logs), failure.MaxLogs))
	}
	e.Logs = slices.Clone(e.Logs[:min(len(e.Logs), failure.MaxLogs)])
	return e, warnings
}

// cleaned takes out of e, whose logs are its own, what must not be kept.
func cleaned(e failure.Evidence) failure.Evidence {
	for i := range e.Logs {
		l := &e.Logs[i]
		if l.SizeBytes == 0 {
			l.SizeBytes = int64(len(l.Head) + len(l.Tail))
		}
		l.Head, l.Tail = plain(l.Head), plain(l.Tail)
	}
	return redact.Evidence(e)
}
