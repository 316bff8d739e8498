package redact

import "strings"

// form is the form of a well-known key or token: a prefix, then at least least
// bytes for which ok holds.
type form struct {
	prefix string
	least  int
	ok     func(byte) bool
	digit  bool // one of them must be a digit
}

func isToken(c byte) bool  { return isAlnum(c) || c == '_' || c == '-' }
func isDotted(c byte) bool { return isToken(c) || c == '.' }
func isHex(c byte) bool    { return isDigit(c) || 'a' <= c && c <= 'f' }
func isUpper(c byte) bool  { return isDigit(c) || 'A' <= c && c <= 'Z' }
func isPath(c byte) bool   { return isToken(c) || c == '/' }
func isToken68(c byte) bool {
	return isAlnum(c) || strings.IndexByte("-._~+/=", c) >= 0
}

// forms has the forms by their first byte.
var forms = byFirst(
	form{"AKIA", 16, isUpper, false}, form{"ASIA", 16, isUpper, false}, form{"ABIA", 16, isUpper, false}, form{"ACCA", 16, isUpper, false}, // AWS
	form{"ghp_", 20, isAlnum, false}, form{"gho_", 20, isAlnum, false}, form{"ghu_", 20, isAlnum, false},
	form{"ghs_", 20, isAlnum, false}, form{"ghr_", 20, isAlnum, false}, form{"github_pat_", 20, isToken, false},
	form{"glpat-", 16, isToken, false},
	form{"xoxb-", 10, isToken, false}, form{"xoxa-", 10, isToken, false}, form{"xoxp-", 10, isToken, false},
	form{"xoxr-", 10, isToken, false}, form{"xoxs-", 10, isToken, false}, form{"xoxe-", 10, isToken, false},
	form{"xoxe.", 10, isDotted, false}, form{"xapp-", 10, isToken, false},
	form{"hooks.slack.com/services/", 8, isPath, false}, form{"hooks.slack.com/workflows/", 8, isPath, false},
	form{"discord.com/api/webhooks/", 8, isPath, false},
	form{"sk_live_", 16, isAlnum, false}, form{"sk_test_", 16, isAlnum, false}, form{"rk_live_", 16, isAlnum, false},
	form{"sk-", 20, isToken, true},
	form{"AIza", 30, isToken, false}, form{"ya29.", 20, isToken, false}, form{"GOCSPX-", 20, isToken, false}, // Google
	form{"AGE-SECRET-KEY-1", 40, isUpper, false},
	form{"dapi", 32, isHex, true}, // Databricks
	form{"hf_", 20, isAlnum, false}, form{"npm_", 36, isAlnum, false}, form{"pypi-", 40, isToken, false},
	form{"SG.", 20, isDotted, true}, form{"hvs.", 20, isToken, false}, form{"dop_v1_", 64, isHex, false},
)

// words has the first bytes of what word looks for besides the forms, and
// starts those of both.
var (
	words = [256]bool{'e': true, 'B': true, 'b': true, 'P': true, 'p': true, 'I': true, 'i': true}

	starts = func() (t [256]bool) {
		for first := range forms {
			t[first] = len(forms[first]) > 0 || words[first]
		}
		return t
	}()
)

func byFirst(all ...form) (t [256][]form) {
	for _, f := range all {
		t[f.prefix[0]] = append(t[f.prefix[0]], f)
	}
	return t
}

// word handles the word that starts at i, and returns where to go on.
func (x *scanner) word(i int) int {
	s := x.s
	for _, f := range forms[s[i]] {
		if !strings.HasPrefix(s[i:], f.prefix) {
			continue
		}
		from := i + len(f.prefix)
		to := x.run(from, f.ok)
		switch {
		case to-from < f.least:
		case f.digit && !strings.ContainsAny(s[from:to], "0123456789"):
			return to
		case len(f.prefix) > 12:
			return x.maskWhile(from, to, f.ok) // the host of a hook stays
		default:
			return x.maskWhile(i, to, f.ok)
		}
	}
	switch {
	case !words[s[i]]:
	case strings.HasPrefix(s[i:], "eyJ"):
		return x.jwt(i)
	case x.at(i, "bearer "), x.at(i, "basic "):
		from := i + strings.IndexByte(s[i:], ' ') + 1
		to := x.run(from, isToken68)
		if to-from >= 8 && mixed(s[from:to]) {
			return x.maskWhile(from, to, isToken68)
		}
		return max(to, i+1)
	case x.at(i, "password '"), x.at(i, `password "`):
		return x.literal(i + len("password "))
	case x.at(i, "identified by '"), x.at(i, `identified by "`):
		return x.literal(i + len("identified by "))
	}
	return i + 1
}

// literal handles the quoted SQL string at i.
func (x *scanner) literal(i int) int {
	from, to, ok := x.quotedAt(i)
	if !ok || benign(x.s[from:to]) {
		return i
	}
	return x.maskQuoted(from, to)
}

// jwt handles three parts of base64url with dots between; the last may be empty.
func (x *scanner) jwt(i int) int {
	dot := i
	for dot < len(x.s) && isToken(x.s[dot]) {
		dot++ // to the end, however far: what is no token is not looked at again
	}
	if dot-i < 12 || dot == len(x.s) || x.s[dot] != '.' {
		return dot
	}
	end := x.run(dot+1, isDotted)
	if end-dot < 12 {
		return end
	}
	return x.maskWhile(i, end, isDotted)
}

// mixed reports whether s is no English word: it has a digit, an equals sign at
// its end, or a capital after a small letter.
func mixed(s string) bool {
	if strings.ContainsAny(s, "0123456789") || strings.HasSuffix(s, "==") {
		return true
	}
	for i := 1; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' && 'a' <= s[i-1] && s[i-1] <= 'z' {
			return true
		}
	}
	return false
}

const (
	pemBegin = "-----BEGIN "
	pemEnd   = "-----END "
	pemDash  = "-----"
)

// dash handles command line flags and private keys in PEM.
func (x *scanner) dash(i int) int {
	s := x.s
	switch {
	case strings.HasPrefix(s[i:], pemBegin):
		if body := x.pemLabel(i + len(pemBegin)); body > 0 {
			return x.mask(body, x.pemBody(body))
		}
	case strings.HasPrefix(s[i:], pemEnd):
		if x.pemLabel(i+len(pemEnd)) > 0 {
			x.pemTail(i)
		}
	case i == x.floor || isSpace(s[i-1]) || isQuote(s[i-1]):
		return x.flag(i)
	}
	return x.run(i, func(c byte) bool { return c == '-' })
}

// pemLabel returns where the body of a private key begins, or 0.
func (x *scanner) pemLabel(i int) int {
	end := strings.Index(x.s[i:min(len(x.s), i+64)], pemDash)
	if end < 0 || !strings.HasSuffix(x.s[i:i+end], "PRIVATE KEY") {
		return 0
	}
	return i + end + len(pemDash)
}

// pemBody returns the end of a body: its END line, or where no base64 is any
// more in a text that was cut.
func (x *scanner) pemBody(i int) int {
	until := min(len(x.s), i+maxPEM)
	if from := max(i, x.noEnd); from < until {
		if k := strings.Index(x.s[from:until], pemEnd); k >= 0 {
			return from + k
		}
		x.noEnd = until - len(pemEnd)
	}
	for i < until && isBase64(x.s[i]) {
		i++
	}
	return i
}

// pemTail masks the lines before the END line at end that are nothing but
// base64: what is left of a key whose beginning was cut off.
func (x *scanner) pemTail(end int) {
	end = len(strings.TrimRight(x.s[:end], "\r\n"))
	start := end
	for start > x.floor && end-start < maxPEM {
		at := start
		for at > x.floor && isBase64(x.s[at-1]) && x.s[at-1] != '\n' {
			at--
		}
		if at > x.floor && x.s[at-1] != '\n' {
			break
		}
		start = at
		if start > x.floor {
			start--
		}
	}
	start += len(x.s[start:end]) - len(strings.TrimLeft(x.s[start:end], "\r\n"))
	if end-start >= 16 {
		x.mask(start, end)
	}
}

func isBase64(c byte) bool { return isAlnum(c) || strings.IndexByte("+/=\\\r\n", c) >= 0 }

// asksPassword reports whether "-p" at i is for a password: of sshpass, or of a
// login to a registry.
func (x *scanner) asksPassword(i int) bool {
	before := x.s[max(x.floor, i-120):i]
	before = before[strings.LastIndexByte(before, '\n')+1:]
	return strings.HasSuffix(strings.TrimRight(before, " "), "sshpass") || strings.Contains(before, "docker login ") || strings.Contains(before, "podman login ")
}

// flag handles "--password hunter2" and "-u user:hunter2"; with an equals sign
// it is separator's.
func (x *scanner) flag(i int) int {
	s := x.s
	from := x.run(i, func(c byte) bool { return c == '-' })
	to := x.run(from, isKey)
	v := x.run(to, func(c byte) bool { return c == ' ' || c == ',' || isQuote(c) })
	if to == from || v == to || v-to > 6 || v == len(s) || s[v] == '-' || isSpace(s[v]) {
		return max(from, i+1)
	}
	inValue := func(c byte) bool { return !isSpace(c) && !isQuote(c) }
	end := x.run(v, inValue)
	text := s[v:end]
	if s[from:to] == "u" {
		if user, password, ok := strings.Cut(text, ":"); ok && !isNumber(password) && password != "" && !strings.Contains(text, "/") {
			return x.mask(v+len(user)+1, end)
		}
		return from
	}
	k := kindOf(s[from:to])
	if s[from:to] == "p" && x.asksPassword(i) {
		k = strong
	}
	if k == ordinary || benign(text) || stopWords[strings.ToLower(strings.Trim(text, ".,;:"))] || isVariable(text) && text[0] == '$' {
		return from
	}
	return x.maskWhile(v, end, inValue)
}
