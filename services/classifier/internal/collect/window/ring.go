package window

// ring keeps the last bytes that are written to it.
type ring struct {
	bytes []byte
	size  int
	at    int // where the next byte goes, once it is full
}

func newRing(size int) *ring { return &ring{size: size} }

// Write implements io.Writer; it never fails.
func (r *ring) Write(p []byte) (int, error) {
	n := len(p)
	if n >= r.size {
		r.bytes, r.at = append(r.bytes[:0], p[n-r.size:]...), 0
		return n, nil
	}
	if room := r.size - len(r.bytes); room > 0 {
		room = min(room, len(p))
		r.bytes = append(r.bytes, p[:room]...)
		p = p[room:]
	}
	for len(p) > 0 {
		c := copy(r.bytes[r.at:], p)
		p = p[c:]
		r.at = (r.at + c) % r.size
	}
	return n, nil
}

// text returns what is kept, in order.
func (r *ring) text() string { return string(r.bytes[r.at:]) + string(r.bytes[:r.at]) }
