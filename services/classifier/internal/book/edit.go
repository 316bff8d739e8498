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
	if err := b.check(r, ch); err != nil {
		return r, err
	}
	if err := b.checkCount(1); err != nil {
		return r, err
	}
	r.Pack = ""
	s, err := b.added(ctx, r, ch.as(ActionCreate), now)
	if err != nil {
		return r, err
	}
	s.Entry.RequestID, s.Entry.RequestDigest = q.ID, q.Digest
	return s.Entry.Rule, b.take(ctx, check, now, s)
}

// Update stores r over the entry that Get returned. A built-in rule is
// overridden. With check it stores nothing.
func (b *Book) Update(ctx context.Context, before Entry, r rule.Rule, ch Change, check bool, now time.Time) (rule.Rule, error) {
	r.ID, r.Pack = before.Rule.ID, before.Rule.Pack
	if err := b.check(r, ch); err != nil {
		return r, err
	}
	s := b.replaced(before, r, ch.as(ActionUpdate), now)
	return s.Entry.Rule, b.take(ctx, check, now, s)
}

// Delete takes away the entry that Get returned: a rule of its own is gone, an
// override makes way for its built-in rule. A built-in rule that is not
// overridden is errs.FailedPrecondition.
func (b *Book) Delete(ctx context.Context, e Entry, ch Change, now time.Time) error {
	if err := ch.Check(); err != nil {
		return err
	}
	if e.Rule.BuiltIn && !e.Rule.Overridden {
		return errs.New(errs.FailedPrecondition, "rules/%s is built in: update it with mode: MODE_OFF to switch it off", e.Rule.ID)
	}
	return b.take(ctx, false, now, b.removed(e, ch.as(ActionDelete), now))
}

// check says what is wrong with a rule that is to be stored, and with the words
// of its change.
func (b *Book) check(r rule.Rule, ch Change) error {
	if err := ch.Check(); err != nil {
		return err
	}
	if _, err := rule.Compile("rule", r); err != nil {
		return err
	}
	return b.Set().CheckYields("rule", &r)
}

// checkCount says whether there may be more rules than now.
func (b *Book) checkCount(more int) error {
	if n := len(b.Set().Rules()); more > 0 && n+more > maxRules {
		return errs.New(errs.Exhausted, "there are %d rules, at most %d are possible: delete some first", n, maxRules)
	}
	return nil
}

// added is the step that makes a rule where there is none. Its revisions count
// on where there was one before.
func (b *Book) added(ctx context.Context, r rule.Rule, ch Change, now time.Time) (Step, error) {
	r.Revision = 1
	e, err := b.store.Get(ctx, r.ID) // of a built-in rule that is gone
	if err == nil {
		r.Revision = e.Rule.Revision + 1
	} else if !errs.Is(err, errs.NotFound) {
		return Step{}, err
	}
	last, err := b.store.Revision(ctx, r.ID, 0)
	if err == nil {
		r.Revision = max(r.Revision, last.Number+1)
	} else if !errs.Is(err, errs.NotFound) {
		return Step{}, err
	}
	r.BuiltIn, r.Overridden, r.CreateTime, r.UpdateTime, r.Author = false, false, now, now, ch.Author
	return Step{Entry: Entry{Rule: r, Version: e.Version}, Revision: Revision{Rule: r, Number: r.Revision, Change: ch, Time: now}}, nil
}

// replaced is the step that puts r in the place of what is there.
func (b *Book) replaced(before Entry, r rule.Rule, ch Change, now time.Time) Step {
	r.Revision, r.UpdateTime, r.Author = before.Rule.Revision+1, now, ch.Author
	if r.CreateTime = before.Rule.CreateTime; r.CreateTime.IsZero() {
		r.CreateTime = now
	}
	r = b.flagged(r)
	return Step{
		Entry:    Entry{Rule: r, Version: before.Version, RequestID: before.RequestID, RequestDigest: before.RequestDigest},
		Revision: Revision{Rule: r, Number: r.Revision, Change: ch, Time: now, Changes: rule.Changes(&before.Rule, &r)},
		Before:   &before.Rule,
	}
}

// removed is the step that takes a rule of its own, or an override, away.
func (b *Book) removed(before Entry, ch Change, now time.Time) Step {
	s := Step{
		Entry: before, Gone: true, Before: &before.Rule,
		Revision: Revision{Rule: before.Rule, Number: before.Rule.Revision + 1, Change: ch, Time: now},
	}
	if c := b.builtIn[before.Rule.ID]; c != nil {
		restored := c.Rule
		restored.Revision, restored.UpdateTime, restored.Author = s.Revision.Number, now, ch.Author
		s.Entry, s.Gone = Entry{Rule: restored, Deleted: true, Version: before.Version}, false
		s.Revision.Changes = rule.Changes(&before.Rule, &restored)
	}
	return s
}

// restoring is the step that brings a built-in rule back, which is not told as a
// deletion of what stood over it.
func (b *Book) restoring(before Entry, ch Change, now time.Time) Step {
	s := b.removed(before, ch, now)
	s.Revision.Rule = s.Entry.Rule
	return s
}

// take stores steps and puts them to work here, unless they are only checked.
func (b *Book) take(ctx context.Context, check bool, now time.Time, steps ...Step) error {
	if check || len(steps) == 0 {
		return nil
	}
	if err := b.store.Commit(ctx, now, steps...); err != nil {
		return err
	}
	// It is stored: when the book cannot be read now, the event of the change or
	// the next poll makes up for it.
	if err := b.Reload(ctx); err != nil {
		b.log.WarnContext(ctx, "a changed rule is not at work yet", "error", err)
	}
	return nil
}
