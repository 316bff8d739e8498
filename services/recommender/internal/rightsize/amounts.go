package rightsize

// atLeast returns the smallest amount of the part of at least so many bytes that
// the settings allow; false when there is none.
func (e *Evidence) atLeast(bytes int64, s Settings) (int64, bool) {
	for _, amount := range e.Allowed {
		if amount >= bytes {
			return amount, true
		}
	}
	if s.Step > 0 {
		bytes = (bytes + s.Step - 1) / s.Step * s.Step
	}
	return bytes, len(s.Allowed) == 0
}

// below returns the largest amount of the part of less than so many bytes that
// the settings allow; 0 when there is none.
func (e *Evidence) below(bytes int64, s Settings) int64 {
	if len(s.Allowed) == 0 {
		step := max(s.Step, mib)
		return (bytes - 1) / step * step
	}
	most := int64(0)
	for _, amount := range e.Allowed {
		if amount < bytes {
			most = amount
		}
	}
	return most
}

// allowed returns p with a target and a step that the settings allow: rounded up,
// and where that leaves nothing, the next one down.
func (p plan) allowed(s Settings) plan {
	if len(s.Allowed) == 0 && s.Step == 0 {
		return p
	}
	target, ok := p.atLeast(p.target, s)
	next, more := p.atLeast(p.next, s)
	switch {
	case !ok || !more:
		p.next = p.Present
	case p.up():
		p.target, p.next = max(target, next), next
	case next < p.Present:
		p.target, p.next = target, next
	default:
		if p.target, p.next = target, p.below(p.Present, s); p.next < p.target {
			p.next = p.Present
		}
	}
	return p
}
