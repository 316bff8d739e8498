package bus

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Events travel as CloudEvents 1.0 in the binary mode of the NATS binding: one
// header "ce-NAME" per attribute, "content-type" for datacontenttype, and the
// payload as it is. Header values are percent-encoded. Redrive's own extension
// attribute is "emission"; "traceparent" is the header of W3C trace context.
const (
	headerSpecVersion = "ce-specversion"
	headerID          = "ce-id"
	headerSource      = "ce-source"
	headerType        = "ce-type"
	headerSubject     = "ce-subject"
	headerTime        = "ce-time"
	headerEmission    = "ce-emission"
	headerContentType = "content-type"
	headerTrace       = "traceparent"
	headerMessageID   = "Nats-Msg-Id"
	specVersion       = "1.0"
)

// message returns e as a NATS message.
func (e Event) message() *nats.Msg {
	m := nats.NewMsg(SubjectPrefix + string(e.Type))
	m.Data = e.Data
	values := make([]string, 0, 10) // of all headers
	set := func(name, value string) {
		if value != "" {
			values = append(values, percentEncode(value))
			m.Header[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	set(headerSpecVersion, specVersion)
	set(headerID, e.ID)
	set(headerSource, e.Source)
	set(headerType, string(e.Type))
	set(headerSubject, e.Subject)
	set(headerTime, e.Time.UTC().Format(time.RFC3339Nano))
	set(headerContentType, e.ContentType)
	set(headerTrace, e.TraceParent)
	if e.Emission > 0 {
		set(headerEmission, strconv.Itoa(e.Emission))
	}
	m.Header[headerMessageID] = []string{e.messageID()}
	return m
}

// messageID is the same for the same event of the same emission. The type is
// part of it: a publisher that uses one id for events of two types means two
// events, whatever CloudEvents says, and none may be dropped.
func (e Event) messageID() string {
	part := func(s string) string { return strings.ReplaceAll(percentEncode(s), "/", "%2F") }
	return part(e.Source) + "/" + part(string(e.Type)) + "/" + part(e.ID) + "/" + strconv.Itoa(e.Emission)
}

// eventOf reads a NATS message that was stored at a time. The type comes from
// the subject, because permissions are on subjects. What is no event is
// errs.Invalid; the event then has what could be read.
func eventOf(subject string, header nats.Header, data []byte, stored time.Time) (Event, error) {
	e := Event{Type: typeOf(subject), Time: stored, Data: data}
	var version, kind, at, emission, parent, other string
	var bad []error
	for name, values := range header {
		name = strings.ToLower(name)
		if len(values) == 0 || !isEventHeader(name) {
			continue
		}
		value, ok := percentDecode(values[0])
		if !ok {
			bad = append(bad, errs.Field(name, "%.100q is not percent-encoded UTF-8", values[0]))
		}
		to := &other
		switch name {
		case headerSpecVersion:
			to = &version
		case headerID:
			to = &e.ID
		case headerSource:
			to = &e.Source
		case headerType:
			to = &kind
		case headerSubject:
			to = &e.Subject
		case headerTime:
			to = &at
		case headerEmission:
			to = &emission
		case headerContentType:
			to = &e.ContentType
		case headerTrace:
			to = &e.TraceParent
		case "ce-" + headerTrace:
			to = &parent
		}
		*to = value
	}
	if e.TraceParent == "" {
		e.TraceParent = parent
	}
	if e.ContentType == "" {
		e.ContentType = ContentJSON
	}
	if strings.HasPrefix(mediaType(e.ContentType), "application/cloudevents") {
		bad = append(bad, errs.Field(headerContentType, "%q is the structured mode; send the binary mode, with the attributes in ce- headers", e.ContentType))
	} else if version != specVersion {
		bad = append(bad, errs.Field(headerSpecVersion, "is %q; it must be %q", version, specVersion))
	}
	if kind != string(e.Type) {
		bad = append(bad, errs.Field(headerType, "is %q, but the subject %q says %q", kind, subject, e.Type))
	}
	if at != "" {
		parsed, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			bad = append(bad, errs.Field(headerTime, "%.100q is not a time of RFC 3339", at))
		} else {
			e.Time = parsed
		}
	}
	if emission != "" {
		parsed, err := strconv.Atoi(emission)
		if err != nil {
			bad = append(bad, errs.Field(headerEmission, "%.100q is not a number", emission))
		}
		e.Emission = parsed
	}
	return e, errs.Fields(append(bad, e.Validate())...)
}

// ownSources begins the sources of Redrive's own services.
const ownSources = "redrive/"

// checkSource is errs.Invalid for an event on a subject that is not its
// source's: whatever the permissions of a server are, nobody else speaks for
// Redrive.
func checkSource(subject, source string) error {
	own, said := strings.HasPrefix(source, ownSources), strings.HasPrefix(subject, SubjectPrefix)
	switch {
	case said && !own:
		return errs.Field(headerSource, "%q is not one of Redrive's services, which alone speak on %q; other schedulers report on %q", source, subject, ReportPrefix+string(typeOf(subject)))
	case own && !said:
		return errs.Field(headerSource, "%q is Redrive's own; use the name of your scheduler", source)
	}
	return nil
}

// typeOf is what is behind the prefix of a subject.
func typeOf(subject string) Type {
	for _, prefix := range []string{SubjectPrefix, ReportPrefix, receivedPrefix} {
		if rest, ok := strings.CutPrefix(subject, prefix); ok {
			return Type(rest)
		}
	}
	return Type(subject)
}

// isEventHeader reports whether a header, in lower case, says something about
// an event.
func isEventHeader(name string) bool {
	return strings.HasPrefix(name, "ce-") || name == headerContentType || name == headerTrace
}

// percentEncode writes s as the NATS binding asks: space, double quote, percent
// and everything outside of printable ASCII as %XX.
func percentEncode(s string) string {
	const hex = "0123456789ABCDEF"
	plain := func(c byte) bool { return c > ' ' && c < 0x7F && c != '"' && c != '%' }
	i := 0
	for i < len(s) && plain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	for ; i < len(s); i++ {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// percentDecode reads what percentEncode wrote, and also what was encoded less
// strictly. It reports false for a broken escape or what is not UTF-8.
func percentDecode(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, utf8.ValidString(s)
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b = append(b, byte(c))
		i += 2
	}
	return string(b), utf8.Valid(b)
}
