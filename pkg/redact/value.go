package redact

import "strings"

// separator handles the "=" or ":" at i, and returns where to go on.
func (x *scanner) separator(i int) int {
	s := x.s
	if strings.HasPrefix(s[i:], "://") {
		return x.userinfo(i + 3)
	}
	if s[i] == ':' && (x.ends(i, "oracle:thin") || x.ends(i, "oracle:oci")) {
		return x.oracle(i + 1)
	}
	n := x.nameBefore(i)
	next := i + 1
	if n.kind == ordinary {
		return next
	}
	assigns := s[i] == '='
	if next < len(s) && (s[next] == '>' && assigns || s[next] == '=' && !assigns) {
		assigns = true
		next++
	} else if next < len(s) && assigns && s[next] == '=' {
		return next + 1 // a comparison
	}
	v := next
	for v < len(s) && v-next < 8 && (s[v] == ' ' || s[v] == '\t') {
		v++
	}
	if v == len(s) || s[v] == '\n' || s[v] == '\r' {
		return next
	}
	if strings.HasPrefix(s[v:], Mask) {
		return x.mask(v, v+len(Mask))
	}
	switch n.kind {
	case line:
		if assigns && !n.quoted {
			return next
		}
		return x.maskLine(x.untilQuoteOrEnd(v))
	case header:
		return x.credential(v)
	}
	return x.value(n, assigns, next, v)
}

// value handles the value at v of a weak or strong name.
func (x *scanner) value(n name, assigns bool, next, v int) int {
	s := x.s
	if from, to, ok := x.quotedAt(v); ok {
		text := s[from:to]
		if n.kind == weak && !assigns && !n.quoted && !x.lineStart(n.start) && !random(text) || benign(text) {
			return next
		}
		return x.maskQuoted(from, to)
	}
	if s[v] == '[' || s[v] == '(' {
		v++
	}
	first := !n.quoted && x.lineStart(n.start)
	inValue := func(c byte) bool {
		return !isSpace(c) && (first && n.kind == strong || strings.IndexByte(",;&)}]\"'<>|`", c) < 0)
	}
	text := strings.TrimRight(s[v:x.run(v, inValue)], ",;")
	to := v + len(text)
	rest := strings.TrimLeft(s[to:min(x.lineEnd(to), to+64)], " \t,;)}]\"'")
	prose := !assigns && rest != "" && isAlpha(rest[0])
	switch {
	case benign(text), text[0] == '{', text[0] == '$' && isVariable(text),
		prose && (stopWords[strings.ToLower(text)] || (n.pascal || n.quoted) && !random(text)),
		n.path && text[0] == '/',
		n.kind == weak && isNumber(text),
		n.kind == weak && !assigns && !random(text) && (prose || !n.quoted && !first):
		return next
	case n.kind == strong && first && !assigns && !n.pascal:
		return x.maskLine(v, x.lineEnd(to))
	}
	return x.maskWhile(v, to, func(c byte) bool { return len(text) >= maxValue && inValue(c) })
}

// quotedAt returns what is between the quotes that begin at v. The quotes may
// be escaped, as in JSON within JSON; without an end the line's end is it.
func (x *scanner) quotedAt(v int) (from, to int, ok bool) {
	q := x.run(v, func(c byte) bool { return c == '\\' })
	if q == len(x.s) || !isQuote(x.s[q]) || q-v > 7 {
		return 0, 0, false
	}
	from = q + 1
	end := x.lineEnd(from)
	if q > v {
		if i := strings.Index(x.s[from:end], x.s[v:from]); i >= 0 {
			end = from + i
		}
		return from, end, true
	}
	for i := from; i < end; i++ {
		switch x.s[i] {
		case '\\':
			i++
		case x.s[q]:
			return from, i, true
		}
	}
	return from, end, true
}

// lineEnd returns where the line ends that i is in, or i + maxValue.
func (x *scanner) lineEnd(i int) int {
	end := min(len(x.s), i+maxValue)
	if k := strings.IndexByte(x.s[i:end], '\n'); k >= 0 {
		end = i + k
	}
	for end > i && x.s[end-1] == '\r' {
		end--
	}
	return end
}

// untilQuoteOrEnd returns the value at v: what is in its quotes, or the line.
func (x *scanner) untilQuoteOrEnd(v int) (from, to int) {
	if from, to, ok := x.quotedAt(v); ok {
		return from, to
	}
	end := x.lineEnd(v)
	if k := strings.IndexAny(x.s[v:end], "\"'`"); k > 0 {
		end = v + k
	}
	return v, end
}

// credential handles the value of an Authorization header: the scheme stays.
func (x *scanner) credential(v int) int {
	from, to := x.untilQuoteOrEnd(v)
	if from < len(x.s) && x.s[from] == '[' && !strings.HasPrefix(x.s[from:], Mask) {
		from++
	}
	if to < from {
		return from
	}
	text := x.s[from:to]
	scheme, rest, found := strings.Cut(text, " ")
	if found && schemes[strings.ToLower(scheme)] {
		return x.maskLine(from+len(scheme)+1, to)
	}
	if rest = strings.TrimLeft(rest, " "); found && rest != "" && isAlpha(rest[0]) || benign(text) {
		return v // prose, such as "Authorization: permission denied"
	}
	return x.maskLine(from, to)
}

var schemes = map[string]bool{"bearer": true, "basic": true, "digest": true, "token": true, "negotiate": true, "apikey": true, "aws4-hmac-sha256": true, "sharedkey": true}

// userinfo handles what follows "://": the password before the host is taken
// out, the user stays.
func (x *scanner) userinfo(i int) int {
	s := x.s
	colon := x.run(i, func(c byte) bool { return isAlnum(c) || strings.IndexByte("._~%!$&*+=-", c) >= 0 })
	if colon == len(s) || s[colon] != ':' {
		return i
	}
	host := x.run(colon+1, func(c byte) bool { return !isSpace(c) && !isQuote(c) && strings.IndexByte("/?#<>", c) < 0 })
	at := strings.LastIndexByte(s[colon:host], '@')
	if at < 0 && !isNumber(s[colon+1:host]) {
		// A password with a bare slash in it: a port would be a number.
		host = x.run(host, func(c byte) bool { return !isSpace(c) && !isQuote(c) && strings.IndexByte("<>,;", c) < 0 })
		at = strings.IndexByte(s[colon:host], '@')
	}
	if at < 2 {
		return i
	}
	return x.mask(colon+1, colon+at)
}

// ends reports whether what is before i ends with suffix, in small or capital
// letters.
func (x *scanner) ends(i int, suffix string) bool {
	from := i - len(suffix)
	return from >= x.floor && x.at(from, suffix)
}

// oracle handles what follows "jdbc:oracle:thin:": USER/PASSWORD before an "@".
func (x *scanner) oracle(i int) int {
	s := x.s
	slash := x.run(i, func(c byte) bool { return isKey(c) || c == '$' || c == '#' })
	if slash == i || slash == len(s) || s[slash] != '/' {
		return i
	}
	at := x.run(slash+1, func(c byte) bool { return !isSpace(c) && !isQuote(c) && c != '@' })
	if at == slash+1 || at == len(s) || s[at] != '@' {
		return i
	}
	return x.mask(slash+1, at)
}

// element handles <password>…< of XML.
func (x *scanner) element(i int) int {
	start := i
	for start > x.floor && i-start < 64 && isKey(x.s[start-1]) {
		start--
	}
	if start == i || start == x.floor || x.s[start-1] != '<' || kindOf(x.s[start:i]) == ordinary {
		return i + 1
	}
	to := x.run(i+1, func(c byte) bool { return c != '<' && c != '\n' })
	if to == len(x.s) || x.s[to] != '<' || benign(x.s[i+1:to]) {
		return i + 1
	}
	return x.mask(i+1, to)
}

// benign reports whether a value is no secret, or already masked by another.
func benign(s string) bool {
	s = strings.Trim(s, "<>[](){}. \t")
	return s == "" || strings.Trim(s, "*#•.") == "" || len(s) > 2 && strings.Trim(s, "xX") == "" || notSecrets[strings.ToLower(s)]
}

var notSecrets = set("yes no true false null none nil undefined empty unset required invalid missing expired redacted hidden masked unknown string str bytes")

var stopWords = set("is are was be must should may can cannot not has have requires required needs field value and or for to in on of with without by from the a an this that no invalid expired missing failed does did could would will error authentication")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// random reports whether s looks made by a machine: 8 bytes or more with
// letters and digits, or 20 and more letters.
func random(s string) bool {
	digits, letters := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			digits++
		case isAlpha(c):
			letters++
		case c == '/' && i == 0, c == '[', c == '(', c == '\'':
			return false
		}
	}
	return letters > 0 && digits > 0 && len(s) >= 8 || letters >= 20 && len(s) < letters+4
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789.") == "" }

// isVariable reports whether s is $NAME, ${NAME} or $(…): not the value itself.
func isVariable(s string) bool {
	return strings.HasPrefix(s, "${") || strings.HasPrefix(s, "$(") ||
		len(s) > 1 && strings.Trim(s[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}
