// Package lease shares the work of a service among its replicas: keys are
// hashed to shards, and each shard is held by at most one replica, as far as
// clocks that run at one speed can tell. A lease saves double work; that nothing
// is done twice is what the revisions of documents are for.
//
// Every replica renews one document of its own, its member document. A second
// kind of document, the only one of its kind, says who holds which shard. There
// is no shared clock. A holder believes that it holds until TTL has passed on
// its own clock since its last successful renewal began. Another replica that
// has looked at that member document for TTL of its own clock without seeing it
// change marks the member as dead, at the revision that it saw, in the commit
// that takes the shards: a renewal that comes before makes that commit a
// conflict, one that comes after is a conflict itself.
package lease

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
)

const (
	// Shards is the number of shards of every service.
	Shards = 16
	// DefaultTTL is Options.TTL when it is 0.
	DefaultTTL = 10 * time.Second
	// MaxReplicas of a service are known, dead ones included. When a new one
	// comes, the one that is dead for longest is forgotten; while all are alive,
	// it holds nothing.
	MaxReplicas = 256
	// Remembered is how long a replica that is dead or stopped is known.
	Remembered = 24 * time.Hour
	// maxName bytes of a replica's name, so that it fits a document's id.
	maxName = 200
)

// Options are the operator's settings; the zero value works.
type Options struct {
	// TTL is how long a replica that fell silent keeps its shards; 0 is
	// DefaultTTL. All replicas of a service must have the same. It renews four
	// times in that time.
	TTL     time.Duration
	Log     *slog.Logger          // nil is silent
	Metrics prometheus.Registerer // nil: none
}

// Leases are the shards that one replica of a service holds. Its methods may be
// called concurrently.
type Leases struct {
	store   docstore.Store
	kind    string
	replica string
	// incarnation tells this process from another of the same name: the one
	// before, or one that was given the name by mistake.
	incarnation string
	ttl         time.Duration
	log         *slog.Logger
	metrics     *metrics
	metricsErr  error
	now         func() time.Time

	looking sync.Mutex // held around a look; never taken with mu held
	mu      sync.Mutex
	held    [Shards]bool
	renewed time.Time            // when the last successful renewal began
	known   map[string]*sighting // by name
	looked  time.Time            // the last successful look at the documents
	changed chan struct{}        // closed and replaced at every change
	told    string               // what Holds and Replicas said at the last change
}

// sighting is what is known of a member.
type sighting struct {
	revision int64
	member   member
	seen     time.Time // when this revision was first read
	watched  time.Time // since when it was looked at without a gap
	shards   int
}

// Replica is one replica of the service as this one sees it.
type Replica struct {
	Name string
	// Alive says that it was seen to renew less than TTL ago.
	Alive bool
	// Unseen is how long it has not renewed, by this process's clock and since
	// this process looks: it is never more than the true time.
	Unseen time.Duration
	Shards int // that it holds
}

// New returns the leases of one replica of a service, kept in documents of kind
// "<service>.lease". Nothing is held before Run runs. An empty replica is the
// only one: it holds everything, always, and writes nothing. The name of a
// replica must be its own among the replicas and the same over restarts.
func New(store docstore.Store, service, replica string, o Options) *Leases {
	if o.TTL <= 0 {
		o.TTL = DefaultTTL
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Leases{
		store: store, kind: service + ".lease", replica: replica, incarnation: rand.Text(), ttl: o.TTL,
		log: o.Log.With("component", "lease", "service", service, "replica", replica),
		now: time.Now, known: map[string]*sighting{}, changed: make(chan struct{}),
	}
	l.metrics, l.metricsErr = newMetrics(o.Metrics, service)
	return l
}

// Holds reports whether this replica holds the shard of key now, by its own
// clock.
func (l *Leases) Holds(key string) bool {
	if l.replica == "" {
		return true
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[shardOf(key)] && l.valid(now)
}

// shardOf spreads keys that differ in a digit only.
func shardOf(key string) int {
	sum := sha256.Sum256([]byte(key))
	return int(sum[0]) % Shards
}

// valid reports whether the last renewal still counts. The caller holds mu.
func (l *Leases) valid(now time.Time) bool {
	return !l.renewed.IsZero() && elapsed(l.renewed, now) < l.ttl
}

// elapsed is the time from start to now by the clock that says more: the
// monotonic one stands still while the machine sleeps, the other does not.
func elapsed(start, now time.Time) time.Duration {
	return max(now.Sub(start), now.Round(0).Sub(start.Round(0)))
}

// Renewed returns when the last successful renewal of this replica began; zero
// before the first. For the only replica it is now.
func (l *Leases) Renewed() time.Time {
	if l.replica == "" {
		return l.now()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewed
}

// Replicas returns, by name, this replica and all others that are alive or were
// within a day.
func (l *Leases) Replicas() []Replica {
	if l.replica == "" {
		return []Replica{{Alive: true, Shards: Shards}}
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.replicas(now)
}

// replicas is Replicas. The caller holds mu.
func (l *Leases) replicas(now time.Time) []Replica {
	self := Replica{Name: l.replica, Alive: l.valid(now)}
	if !l.renewed.IsZero() {
		self.Unseen = elapsed(l.renewed, now)
	}
	for _, held := range l.held {
		if held && self.Alive {
			self.Shards++
		}
	}
	all := []Replica{self}
	for name, s := range l.known {
		if name == l.replica {
			continue
		}
		unseen := now.Sub(s.seen)
		all = append(all, Replica{Name: name, Alive: s.member.State == alive && unseen < l.ttl, Unseen: unseen, Shards: s.shards})
	}
	slices.SortFunc(all, func(a, b Replica) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Unseen reads the documents now and returns how long a replica has not
// renewed, as Replica.Unseen does. A replica that stopped in order counts from
// its stop. It is errs.NotFound for one that is not known, such as one that is
// gone for more than a day, and always for the only replica.
func (l *Leases) Unseen(ctx context.Context, replica string) (time.Duration, error) {
	if l.replica != "" {
		if _, err := l.look(ctx); err != nil {
			return 0, err
		}
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.known[replica]
	if s == nil {
		return 0, errs.New(errs.NotFound, "replica %q is not known", replica)
	}
	return now.Sub(s.seen), nil
}

// Changed returns a channel that is closed when the next change of what Holds
// says, or of which Replicas are alive, is noticed. Take it before you look.
func (l *Leases) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// announce closes the channel of Changed if there is something to tell.
func (l *Leases) announce() {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	var text strings.Builder
	shards, live := 0, 0
	for s, held := range l.held {
		if held && l.valid(now) {
			text.WriteByte(byte('A' + s))
			shards++
		}
	}
	for _, r := range l.replicas(now) {
		if r.Alive {
			text.WriteString("\n" + r.Name)
			live++
		}
	}
	if text.String() == l.told {
		return
	}
	l.told = text.String()
	l.metrics.tell(shards, live)
	l.log.Info("the shares of the replicas changed", "shards", shards, "replicas", live)
	close(l.changed)
	l.changed = make(chan struct{})
}

// Run takes part until ctx ends, and then gives up what it holds: end what
// relies on Holds first. It returns an error only for what can never work;
// what the store cannot do now is tried again.
func (l *Leases) Run(ctx context.Context) error {
	if l.metricsErr != nil {
		return l.metricsErr
	}
	if l.replica == "" {
		<-ctx.Done()
		return nil
	}
	if err := checkName(l.replica); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := pauses{renew: l.ttl / 4}
	for {
		select {
		case <-ctx.Done():
			l.leave(context.WithoutCancel(ctx))
			return nil
		case <-timer.C:
		}
		err := l.step(ctx)
		if err != nil && ctx.Err() == nil && pause.failed == 0 {
			l.log.Warn("cannot renew; it is tried again", "error", err)
		}
		timer.Reset(pause.after(err))
	}
}

func checkName(name string) error {
	if len(name) > maxName {
		return errs.Field("replica", "the name has %d bytes; at most %d are allowed", len(name), maxName)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7F || r == '\uFFFD' }) {
		return errs.Field("replica", "the name %q has a space, a control character or broken UTF-8; use letters, digits, - and .", name)
	}
	return nil
}
