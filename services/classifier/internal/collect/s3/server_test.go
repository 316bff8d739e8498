package s3_test

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// bucket is a server with one bucket that checks signatures as the S3
// documentation says they are made ("Signature Calculations for the
// Authorization Header"), and answers with ranges and lists.
type bucket struct {
	name, region, key, secret, session string
	objects                            map[string]string
	page                               int
}

var written = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func (b *bucket) serve(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	return s.URL
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := b.check(r); err != nil {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>%v</Message></Error>", err)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/"+b.name+"/")
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, "<Error><Code>NoSuchBucket</Code></Error>")
		return
	}
	if rest == "" && r.URL.Query().Get("list-type") == "2" {
		b.list(w, r.URL.Query().Get("prefix"))
		return
	}
	text, ok := b.objects[rest]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, "<Error><Code>NoSuchKey</Code></Error>")
		return
	}
	http.ServeContent(w, r, "", written, strings.NewReader(text))
}

func (b *bucket) list(w http.ResponseWriter, prefix string) {
	var keys []string
	for key := range b.objects {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	page := min(len(keys), cmp.Or(b.page, 1000))
	var out bytes.Buffer
	fmt.Fprintf(&out, `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>%v</IsTruncated>`, page < len(keys))
	for _, key := range keys[:page] {
		fmt.Fprintf(&out, "<Contents><Key>%s</Key><Size>%d</Size></Contents>", key, len(b.objects[key]))
	}
	out.WriteString("</ListBucketResult>")
	_, _ = w.Write(out.Bytes())
}

// check makes the signature of a request again.
func (b *bucket) check(r *http.Request) error {
	auth := r.Header.Get("Authorization")
	if b.key == "" {
		if auth != "" {
			return fmt.Errorf("a signature without credentials: %s", auth)
		}
		return nil
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(auth, "AWS4-HMAC-SHA256 "), ", ") {
		name, value, _ := strings.Cut(part, "=")
		fields[name] = value
	}
	date := r.Header.Get("X-Amz-Date")
	if len(date) != len("20060102T150405Z") {
		return fmt.Errorf("x-amz-date is %q", date)
	}
	scope := date[:8] + "/" + b.region + "/s3/aws4_request"
	if want := b.key + "/" + scope; fields["Credential"] != want {
		return fmt.Errorf("credential %q, want %q", fields["Credential"], want)
	}
	if got := r.Header.Get("X-Amz-Security-Token"); got != b.session {
		return fmt.Errorf("security token %q", got)
	}
	signed := strings.Split(fields["SignedHeaders"], ";")
	for _, must := range []string{"host", "x-amz-content-sha256", "x-amz-date"} {
		if !slices.Contains(signed, must) {
			return fmt.Errorf("%s is not signed", must)
		}
	}
	var headers strings.Builder
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	canonical := strings.Join([]string{
		r.Method, encode(r.URL.Path, false), query(r.URL.Query()), headers.String(), fields["SignedHeaders"], r.Header.Get("X-Amz-Content-Sha256"),
	}, "\n")
	hash := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + b.secret)
	for _, part := range []string{date[:8], b.region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	if want := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(hash[:]))); fields["Signature"] != want {
		return fmt.Errorf("the signature is not that of %q", canonical)
	}
	return nil
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func query(v url.Values) string {
	var all []string
	for name, values := range v {
		for _, value := range values {
			all = append(all, encode(name, true)+"="+encode(value, true))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "&")
}

func encode(s string, slash bool) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._~", rune(c)) || c == '/' && !slash {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
