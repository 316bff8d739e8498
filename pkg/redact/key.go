package redact

import "strings"

// kind is what the name of a value says about it.
type kind int

const (
	ordinary kind = iota
	weak          // "token", "secret": often the subject of an error message
	strong        // "password", "api_key": hardly anything but a secret
	header        // "Authorization": a scheme and a credential
	line          // "Cookie": the whole rest of the line
)

// The names are compared without case, and without anything but letters and
// digits, from their end: "spark.hadoop.fs.s3a.secret.key" ends with secretkey.
var (
	strongEnds = []string{
		"password", "passwd", "passphrase", "passcode", "apikey", "secretkey", "secretaccesskey", "clientsecret", "appsecret",
		"sharedsecret", "privatekey", "accesstoken", "refreshtoken", "authtoken", "securitytoken", "sessiontoken", "bearertoken",
		"apitoken", "idtoken", "accesskey", "accountkey", "storagekey", "encryptionkey", "signingkey", "masterkey", "sharedkey",
		"jaasconfig",
	}
	weakEnds    = []string{"token", "secret", "credential"}
	weakWords   = []string{"pwd", "pass", "sig", "signature"} // only as a whole word of the name
	specialKeys = []string{"padtoken", "eostoken", "bostoken", "unktoken", "septoken", "clstoken", "masktoken", "nexttoken", "pagetoken", "nextpagetoken", "oldpwd"}
)

// kindOf looks at the last 64 letters and digits of a name.
func kindOf(name string) kind {
	for name != "" && isDigit(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	if name == "" || strings.IndexByte("deyntgsl", small(name[len(name)-1])) < 0 && !strings.Contains(name, "key.") {
		return ordinary
	}
	var buf [64]byte
	at := len(buf)
	for i := len(name) - 1; i >= 0 && at > 0; i-- {
		if isAlnum(name[i]) {
			at--
			buf[at] = small(name[i])
		}
	}
	flat := string(buf[at:])
	switch {
	case hasSuffix(flat, specialKeys) != "":
		return ordinary
	case strings.HasSuffix(flat, "authorization"):
		return header
	case flat == "cookie" || flat == "setcookie":
		return line
	case hasSuffix(flat, strongEnds) != "", strings.Contains(flat, "azureaccountkey"):
		return strong
	case hasSuffix(flat, weakEnds) != "":
		return weak
	}
	if end := hasSuffix(flat, weakWords); end != "" {
		if rest := name[:len(name)-len(end)]; rest == "" || !isAlpha(rest[len(rest)-1]) {
			return weak
		}
	}
	return ordinary
}

func hasSuffix(s string, ends []string) string {
	for _, end := range ends {
		if strings.HasSuffix(s, end) {
			return end
		}
	}
	return ""
}

// name is the name of a value, found before its separator.
type name struct {
	kind   kind
	start  int
	quoted bool
	pascal bool // such as ExpiredToken: rather an error code than a setting
	path   bool // PWD is a folder in one place and a password in another
}

// nameBefore reads backwards from the separator at i.
func (x *scanner) nameBefore(i int) name {
	n := name{}
	end := i
	for end > x.floor && end > i-3 && (x.s[end-1] == ' ' || x.s[end-1] == '\t') {
		end--
	}
	if end > x.floor && isQuote(x.s[end-1]) {
		n.quoted = true
		end--
		for end > x.floor && x.s[end-1] == '\\' {
			end--
		}
	}
	n.start = end
	for n.start > x.floor && end-n.start < 160 && isKey(x.s[n.start-1]) {
		n.start--
	}
	if n.start == end {
		return n
	}
	text := x.s[n.start:end]
	if n.kind = kindOf(text); n.kind == ordinary {
		return n
	}
	n.pascal = isPascal(text)
	n.path = text == "PWD"
	return n
}

// isPascal reports whether s is at least two capitalised words and nothing else.
func isPascal(s string) bool {
	humps := 0
	for i := range len(s) {
		if !isAlnum(s[i]) {
			return false
		}
		if 'A' <= s[i] && s[i] <= 'Z' && i+1 < len(s) && 'a' <= s[i+1] && s[i+1] <= 'z' {
			humps++
		}
	}
	return humps > 1 && 'A' <= s[0] && s[0] <= 'Z'
}
