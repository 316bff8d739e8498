package proposal

import (
	"context"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/book"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Book makes rules. *book.Book is one.
type Book interface {
	// Create adds a rule; told the same request again it returns what the first
	// one made. A taken id is errs.AlreadyExists.
	Create(ctx context.Context, r rule.Rule, q book.Request, ch book.Change, check bool, now time.Time) (rule.Rule, error)
	// Get returns a rule, or errs.NotFound.
	Get(ctx context.Context, id string) (book.Entry, error)
}

// Clusters keeps clusters.
type Clusters interface {
	// Get returns a cluster, or errs.NotFound.
	Get(ctx context.Context, id string) (*cluster.Cluster, error)
	// Put stores a cluster over its revision, or is errs.Conflict.
	Put(ctx context.Context, c *cluster.Cluster) error
}

// Acceptance is what a human adds to a suggestion; what is empty is the
// suggestion's own.
type Acceptance struct {
	RuleID   string
	Class    failure.Class
	Verdict  failure.Verdict
	Summary  string
	Runbook  string
	Force    bool // although it is not proven
	Author   string
	Reason   string
	Expected func(*cluster.Cluster) error // what the caller has seen; nil is anything
}

// Accept stores the suggested rule of a cluster, in shadow, and notes it on the
// cluster. A crash between the two is made up for by accepting again. It is
// errs.FailedPrecondition when a rule was made of it already, or the suggestion
// is not proven and not forced.
func (p *Proposer) Accept(ctx context.Context, clusters Clusters, b Book, id string, a Acceptance, now time.Time) (rule.Rule, error) {
	c, err := clusters.Get(ctx, id)
	if err != nil {
		return rule.Rule{}, err
	}
	if a.Expected != nil {
		if err := a.Expected(c); err != nil {
			return rule.Rule{}, err
		}
	}
	if c.AcceptedRule != "" {
		return rule.Rule{}, errs.New(errs.FailedPrecondition, "rules/%s was made of clusters/%s already: update or delete that one", c.AcceptedRule, id)
	}
	s, err := p.Suggest(ctx, c)
	if err != nil {
		return rule.Rule{}, err
	}
	q := book.Request{ID: "cluster " + id, Digest: id}
	r, err := a.complete(s)
	if err != nil {
		return r, err
	}
	if r.ID, err = made(ctx, b, r.ID, q, a.RuleID != ""); err != nil {
		return r, err
	}
	r, err = b.Create(ctx, r, q, book.Change{Author: a.Author, Reason: a.Reason, Action: book.ActionAccept}, false, now)
	if err != nil {
		return r, err
	}
	return r, Change(ctx, clusters, id, func(c *cluster.Cluster) error { c.Accept(r.ID); return nil })
}

// complete returns the rule of a suggestion with what the human adds.
func (a Acceptance) complete(s Suggestion) (rule.Rule, error) {
	r := s.Rule
	r.Mode = rule.Shadow
	if a.RuleID != "" {
		r.ID = a.RuleID
	}
	if a.Class != "" && a.Class != r.Class {
		r.Class = a.Class
		r.Verdict, _ = cluster.VerdictOf(a.Class, s.Retries)
	}
	if a.Verdict != failure.VerdictNone {
		r.Verdict = a.Verdict
	}
	if a.Summary != "" {
		r.Summary = a.Summary
	}
	if a.Runbook != "" {
		r.Runbook = a.Runbook
	}
	switch {
	case r.Class == "":
		return r, errs.Field("class", "no word of its lines says which class it is: choose one, such as dependency.unavailable (docs/rules.md lists them)")
	case !s.Proven && !a.Force:
		return r, errs.New(errs.FailedPrecondition, "the rule is not proven: %s; force accepts it all the same", strings.Join(s.Doubts, "; "))
	}
	return r, nil
}

// made returns the id for the rule: where an earlier call has made one for the
// cluster under the id without a number, and did not live to say so, that one's.
func made(ctx context.Context, b Book, id string, q book.Request, chosen bool) (string, error) {
	stem := id
	if i := strings.LastIndexByte(id, '-'); !chosen && i > 0 && strings.Trim(id[i+1:], "0123456789") == "" {
		stem = id[:i]
	}
	e, err := b.Get(ctx, stem)
	switch {
	case errs.Is(err, errs.NotFound), err == nil && e.RequestID != q.ID:
		return id, nil
	case err != nil:
		return id, err
	}
	return stem, nil
}

// mostRaces is how many lost races over one cluster are gone on from at once.
const mostRaces = 10

// Change changes a cluster, also while its failures are being counted.
func Change(ctx context.Context, clusters Clusters, id string, do func(*cluster.Cluster) error) error {
	for races := 0; ; races++ {
		c, err := clusters.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := do(c); err != nil {
			return err
		}
		if err := clusters.Put(ctx, c); !errs.Is(err, errs.Conflict) || races == mostRaces {
			return err
		}
	}
}
