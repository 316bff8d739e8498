package screen

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// width is the number of columns that text takes on a terminal.
func width(text string) int { return utf8.RuneCountInString(escapes.ReplaceAllString(text, "")) }

// Table writes rows below a heading, aligned, two blanks between columns. On a
// terminal the last column is cut to fit.
func (s Style) Table(w io.Writer, heading []string, rows [][]string) error {
	widths := make([]int, len(heading))
	for i, h := range heading {
		widths[i] = width(h)
	}
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], width(cell))
		}
	}
	head := make([]string, len(heading))
	for i, h := range heading {
		head[i] = s.Faint(h)
	}
	for _, row := range append([][]string{head}, rows...) {
		if _, err := fmt.Fprintln(w, s.line(row, widths)); err != nil {
			return err
		}
	}
	return nil
}

func (s Style) line(row []string, widths []int) string {
	var b strings.Builder
	used := 0
	for i, cell := range row {
		if i == len(row)-1 {
			b.WriteString(s.cut(cell, s.Width-used))
			break
		}
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", widths[i]-width(cell)+2))
		used += widths[i] + 2
	}
	return strings.TrimRight(b.String(), " ")
}

// cut shortens text to n columns on a terminal that is wide enough to bother.
func (s Style) cut(text string, n int) string {
	if s.Width == 0 || n < 10 || width(text) <= n {
		return text
	}
	return string([]rune(escapes.ReplaceAllString(text, ""))[:n-1]) + "…"
}

// Clean makes text safe to print on a terminal, on one line: what jobs wrote
// may have control characters that would move the cursor or worse.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == utf8.RuneError:
			return '·'
		}
		return r
	}, text)
}
