package book

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// maxRules is how many rules may be there for one more to be made. It is well
// below what a Set holds, so that replicas that make some at the same time, or
// a new version with more built-in ones, do not go beyond that.
const maxRules = rule.MaxRules / 2

// Request makes a creation idempotent: the same id with the same digest is
// answered with the rule that was made first.
type Request struct {
	ID, Digest string
}

// Create adds a rule and puts it to work here; the other replicas follow. A
// taken id is errs.AlreadyExists, unless by the same request. With check it
// stores nothing.
func (b *Book) Create(ctx context.Context, r rule.Rule, q Request, ch Change, check bool, now time.Time) (rule.Rule, error) {
	if err := ch.Check(); err != nil {
		return r, err
	}
	existing, err := b.Get(ctx, r.ID)
	switch {
	case err == nil && q.ID != "" && existing.RequestID == q.ID && existing.RequestDigest == q.Digest:
		return existing.Rule, nil
	case err == nil && q.ID != "" && existing.RequestID == q.ID:
		return r, errs.Field("request_id", "%q was used for another rule", q.ID)
	case err == nil && existing.Rule.BuiltIn:
		return r, errs.New(errs.AlreadyExists, "rules/%s is built in: update it to override it", r.ID)
	case err == nil:
		return r, errs.New(errs.AlreadyExists, "rules/%s exists", r.ID)
	case !errs.Is(err, errs.NotFound):
		return r, err
	}
	if n := len(b.Set().Rules()); n >= maxRules {
		return r, errs.New(errs.Exhausted, "there are %d rules, at most %d are possible: delete one first", n, maxRules)
	}
	r.Revision, r.BuiltIn, r.Overridden, r.CreateTime, r.UpdateTime = 1, false, false, now, now
	r.Pack, r.Author = "", ch.Author
	e := Entry{Rule: r, Version: b.entombed(ctx, r.ID), RequestID: q.ID, RequestDigest: q.Digest}
	return b.put(ctx, "rule", e, check, now)
}

// entombed returns the version of an entry whose built-in rule is gone.
func (b *Book) entombed(ctx context.Context, id string) int64 {
	e, err := b.store.Get(ctx, id)
	if err != nil {
		return 0
	}
	return e.Version
}

// Update stores r over the entry that Get returned. A built-in rule is
// overridden. With check it stores nothing.
func (b *Book) Update(ctx context.Context, before Entry, r rule.Rule, ch Change, check bool, now time.Time) (rule.Rule, error) {
	if err := ch.Check(); err != nil {
		return r, err
	}
	r.ID, r.Revision, r.UpdateTime = before.Rule.ID, before.Rule.Revision+1, now
	r.Pack, r.Author = before.Rule.Pack, ch.Author
	if r.CreateTime = before.Rule.CreateTime; r.CreateTime.IsZero() {
		r.CreateTime = now
	}
	return b.put(ctx, "rule", Entry{Rule: b.flagged(r), Version: before.Version, RequestID: before.RequestID, RequestDigest: before.RequestDigest}, check, now)
}

func (b *Book) put(ctx context.Context, field string, e Entry, check bool, now time.Time) (rule.Rule, error) {
	if _, err := rule.Compile(field, e.Rule); err != nil {
		return e.Rule, err
	}
	if err := b.Set().CheckYields(field, &e.Rule); err != nil || check {
		return e.Rule, err
	}
	if err := b.store.Put(ctx, e, now); err != nil {
		return e.Rule, err
	}
	b.changed(ctx)
	return e.Rule, nil
}

// changed puts a change to work here. It is stored already: when the book
// cannot be read now, its event or the next poll makes up for it.
func (b *Book) changed(ctx context.Context) {
	if err := b.Reload(ctx); err != nil {
		b.log.WarnContext(ctx, "a changed rule is not at work yet", "error", err)
	}
}

// Delete takes away the entry that Get returned: a rule of its own is gone, an
// override makes way for its built-in rule. A built-in rule that is not
// overridden is errs.FailedPrecondition.
func (b *Book) Delete(ctx context.Context, e Entry, ch Change, now time.Time) error {
	err := ch.Check()
	if err != nil {
		return err
	}
	switch {
	case !e.Rule.BuiltIn:
		err = b.store.Delete(ctx, e, now)
	case !e.Rule.Overridden:
		return errs.New(errs.FailedPrecondition, "rules/%s is built in: update it with mode: MODE_OFF to switch it off", e.Rule.ID)
	default:
		restored := b.builtIn[e.Rule.ID].Rule
		restored.Revision, restored.UpdateTime, restored.Author = e.Rule.Revision+1, now, ch.Author
		err = b.store.Put(ctx, Entry{Rule: restored, Deleted: true, Version: e.Version}, now)
	}
	if err == nil {
		b.changed(ctx)
	}
	return err
}

// Page returns the first rules that keep wants, in the order in which they are
// tried, and whether there are more.
func (b *Book) Page(keep func(*rule.Rule) bool, limit int) (page []rule.Rule, more bool) {
	for _, c := range b.Set().Rules() {
		if !keep(&c.Rule) {
			continue
		}
		if len(page) == limit {
			return page, true
		}
		page = append(page, c.Rule)
	}
	return page, false
}
