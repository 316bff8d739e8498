package store

// WithMaxTypes bounds the job types by less than MaxTypes.
func (s *Histories) WithMaxTypes(n int) *Histories {
	s.maxTypes = n
	return s
}

// WithMost gives s another bound before anything else is called.
func (s *Records) WithMost(n int) *Records {
	s.most = n
	return s
}
