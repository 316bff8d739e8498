package screen

import (
	"fmt"
	"io"
	"sync"
)

// Live writes lines one after another and, on a terminal, keeps one line below
// them that is written over again and again. It may be used concurrently.
type Live struct {
	Style
	w      io.Writer
	mu     sync.Mutex
	status bool // a status line is on the screen
}

// NewLive returns a Live on w.
func NewLive(w io.Writer, s Style) *Live { return &Live{Style: s, w: w} }

// Print writes lines that stay.
func (l *Live) Print(lines ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	for _, line := range lines {
		_, _ = fmt.Fprintln(l.w, line) // nobody is left to tell
	}
}

// Status shows text below the lines until the next Print or Status; "" shows
// nothing. Where there is no terminal it does nothing.
func (l *Live) Status(text string) {
	if !l.Terminal() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	if text != "" {
		_, _ = fmt.Fprint(l.w, l.Faint(l.cut(text, l.Width-1))) // nobody is left to tell
		l.status = true
	}
}

func (l *Live) clear() {
	if l.status {
		_, _ = fmt.Fprint(l.w, "\r\x1b[K") // nobody is left to tell
		l.status = false
	}
}
