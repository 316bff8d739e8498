package store

// WithMaxTypes bounds the job types by less than MaxTypes.
func (s *Histories) WithMaxTypes(n int) *Histories {
	s.maxTypes = n
	return s
}
