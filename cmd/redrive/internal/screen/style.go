// Package screen lays out what a person reads: tables, times, sizes, colours.
package screen

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Style writes emphasis, or nothing at all where colours are not wanted. The
// zero value is without colours.
type Style struct {
	Colors bool
	// Width is the number of columns of the terminal; 0 where there is none.
	Width int
}

// StyleOf returns the style for w: colours only on a terminal, and not where
// NO_COLOR is set or the terminal is dumb.
func StyleOf(w io.Writer) Style {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Style{}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 0
	}
	return Style{Colors: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", Width: width}
}

// Terminal reports whether the lines go to a terminal, where a line may be
// written over.
func (s Style) Terminal() bool { return s.Width > 0 }

func (s Style) paint(code, text string) string {
	if !s.Colors || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Good is for what went well.
func (s Style) Good(text string) string { return s.paint("32", text) }

// Bad is for what needs a human.
func (s Style) Bad(text string) string { return s.paint("31", text) }

// Warn is for what is being worked on.
func (s Style) Warn(text string) string { return s.paint("33", text) }

// Strong is for headings and names.
func (s Style) Strong(text string) string { return s.paint("1", text) }

// Faint is for what only helps to find the place.
func (s Style) Faint(text string) string { return s.paint("2", text) }
