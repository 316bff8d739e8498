package book

import "github.com/redrive-io/redrive/services/classifier/internal/rule"

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
