package collect

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/window"
)

// grace is how long what was read in part is waited for when the time is over.
const grace = 50 * time.Millisecond

// ref is one reference to logs.
type ref struct {
	uri     string
	pattern bool
	// log is the index of the evidence's log that has it; -1 when a template
	// leads to it, and name is how that calls its logs.
	log  int
	name string
}

// refs returns what has to be read. Logs whose URLs differ in their fragments
// alone come from one place together.
func (c Collector) refs(e failure.Evidence, a Ask) []ref {
	var all []ref
	for i, l := range e.Logs {
		wanted := l.Truncated || l.Head == "" && l.Tail == ""
		if a.Again {
			wanted = l.Problem != "" || !l.ReadTime.IsZero()
		}
		if l.URI == "" || !wanted {
			continue
		}
		uri, _, part := strings.Cut(l.URI, "#")
		if !part || !slices.ContainsFunc(all, func(r ref) bool { return r.uri == uri }) {
			all = append(all, ref{uri: uri, log: i})
		}
	}
	return append(all, c.expand(e, a.Labels)...)
}

// finding is what became of one reference.
type finding struct {
	ref
	err   error // of finding its logs
	ended bool
	facts failure.Evidence
	note  string
	logs  []reading
}

// reading is what became of one log.
type reading struct {
	name, uri string
	window    window.Windows
	err       error
	ended     bool
	aside     bool
	growing   bool
}

// reader reads the logs of one failure.
type reader struct {
	Collector
	ask  Ask
	mine chan struct{} // places of this failure

	mu       sync.Mutex
	findings []finding
}

// read reads everything at once, within the time. What a driver does after
// that, which it should not, changes nothing any more; it keeps its place.
func (c Collector) read(ctx context.Context, a Ask, refs []ref) findings {
	if c.places == nil {
		c = New(c.options)
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	r := &reader{Collector: c, ask: a, mine: make(chan struct{}, atOnce), findings: make([]finding, len(refs))}
	var all sync.WaitGroup
	for i, ref := range refs {
		r.findings[i].ref = ref
		all.Go(func() { r.find(ctx, i, &all) })
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		case <-time.After(grace):
		}
	}
	return r.result()
}

// find finds the logs of a reference and begins to read them.
func (r *reader) find(ctx context.Context, i int, all *sync.WaitGroup) {
	var found source.Found
	err := r.placed(ctx, func() error {
		var err error
		found, err = r.lookup(ctx, r.findings[i].ref)
		return err
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	f := &r.findings[i]
	f.err, f.ended, f.facts, f.note = err, true, found.Facts, found.Note
	if err != nil {
		return
	}
	f.logs = make([]reading, len(found.Logs))
	for k, l := range found.Logs {
		f.logs[k] = reading{name: l.Source, uri: l.URI, aside: l.Aside, growing: l.Growing}
		all.Go(func() { r.window(ctx, i, k, l) })
	}
}

func (r *reader) lookup(ctx context.Context, ref ref) (source.Found, error) {
	u, err := url.Parse(ref.uri)
	if err != nil {
		return source.Found{}, errs.New(errs.Invalid, "%.200q is no URL", redact.Text(ref.uri))
	}
	d := r.options.Drivers[u.Scheme]
	if d == nil {
		return source.Found{}, source.Prefixes(nil).Check(u)
	}
	return d.Find(ctx, source.Ref{URL: u, Pattern: ref.pattern})
}

// window reads one log.
func (r *reader) window(ctx context.Context, i, k int, l source.Log) {
	var w window.Windows
	err := r.placed(ctx, func() error {
		var err error
		w, err = window.Read(ctx, l)
		return err
	})
	if l.Trim != nil {
		w.Head, w.Tail = l.Trim(w.Head), l.Trim(w.Tail)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	log := &r.findings[i].logs[k]
	log.window, log.err, log.ended = w, err, true
	log.growing = log.growing || err == nil && r.fresh(w.Modified)
}

// fresh reports whether a log that was written then may go on: it was written
// just now, and after the attempt had ended.
func (r *reader) fresh(modified time.Time) bool {
	return !modified.IsZero() && r.ask.Now.Sub(modified) < r.options.Settle && modified.After(r.ask.Evidence.End.Add(time.Second))
}

// placed does something when there is a place for it.
func (r *reader) placed(ctx context.Context, do func() error) error {
	for _, places := range []chan struct{}{r.mine, r.places} {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return do()
}

// result returns what has been found so far. It is nobody else's.
func (r *reader) result() findings {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]finding, len(r.findings))
	for i, f := range r.findings {
		f.logs = append([]reading(nil), f.logs...)
		all[i] = f
	}
	return findings{all: all, now: r.ask.Now, timeout: r.options.Timeout}
}
