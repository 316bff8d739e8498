package collect

import "strings"

// plain takes out what is for the eyes alone: the escape sequences of colours
// and cursors. The text does not change otherwise.
func plain(s string) string {
	if !strings.Contains(s, "\x1b") {
		return s
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\x1b')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i+escape(s[i:]):]
	}
}

// maxEscape bounds a sequence that never ends.
const maxEscape = 256

// escape returns the length of the sequence that begins s: ESC [ … letter,
// ESC ] … BEL, ESC ( letter, or ESC and one more.
func escape(s string) int {
	end := min(len(s), maxEscape)
	switch s[1] {
	case '[':
		for i := 2; i < end; i++ {
			if c := s[i]; c >= 0x40 && c <= 0x7e {
				return i + 1
			} else if c < 0x20 {
				return i
			}
		}
	case ']':
		for i := 2; i < end; i++ {
			switch s[i] {
			case '\a':
				return i + 1
			case '\n', '\x1b':
				return i
			}
		}
	case '(', ')':
		return min(3, len(s))
	case '\n':
		return 1
	}
	return 2
}

func clip(s string) string {
	const most = 500
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "")
	}
	return s
}
