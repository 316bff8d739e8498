package s3

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/web"
)

// FromEnvironment returns the options that the environment has, by the names
// that all clients of S3 know: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL,
// AWS_REGION or AWS_DEFAULT_REGION, and credentials, the first there are of:
//
//   - AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN;
//   - AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, as EKS sets for a service
//     account;
//   - AWS_CONTAINER_CREDENTIALS_FULL_URI with
//     AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, as EKS Pod Identity sets;
//   - the profile AWS_PROFILE of AWS_SHARED_CREDENTIALS_FILE, or of
//     ~/.aws/credentials.
//
// The metadata service of EC2 is not asked.
func FromEnvironment(allow source.Prefixes, getenv func(string) string) (Options, error) {
	first := func(names ...string) string {
		for _, n := range names {
			if v := getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	o := Options{Allow: allow, Region: first("AWS_REGION", "AWS_DEFAULT_REGION")}
	if s := first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"); s != "" {
		u, err := url.Parse(s)
		if _, bad := source.ParsePrefix(s); err != nil || bad != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return o, errs.New(errs.Invalid, "AWS_ENDPOINT_URL %.200q is not http(s)://HOST[:PORT]", s)
		}
		o.Endpoint = u
	}
	switch {
	case getenv("AWS_ACCESS_KEY_ID") != "":
		c := aws.Credentials{AccessKeyID: getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: getenv("AWS_SESSION_TOKEN")}
		o.Credentials = func(context.Context) (aws.Credentials, error) { return c, nil }
	case getenv("AWS_ROLE_ARN") != "" && getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		region := o.Region
		if region == "" {
			region = "us-east-1"
		}
		o.Credentials = kept(webIdentity{
			role: getenv("AWS_ROLE_ARN"), session: getenv("AWS_ROLE_SESSION_NAME"), file: getenv("AWS_WEB_IDENTITY_TOKEN_FILE"),
			endpoint: getenv("AWS_ENDPOINT_URL_STS"), region: region,
		}.credentials)
	case getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "":
		o.Credentials = kept(container{getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"), getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")}.credentials)
	default:
		file := getenv("AWS_SHARED_CREDENTIALS_FILE")
		asked := file != ""
		if !asked && getenv("HOME") != "" {
			file = filepath.Join(getenv("HOME"), ".aws", "credentials")
		}
		profile := getenv("AWS_PROFILE")
		if profile == "" {
			profile = "default"
		}
		c, err := fromFile(file, profile)
		if err != nil && (asked || getenv("AWS_PROFILE") != "") {
			return o, err
		}
		o.Credentials = func(context.Context) (aws.Credentials, error) { return c, nil }
	}
	return o, nil
}

// fromFile reads a profile of a credentials file.
func fromFile(file, profile string) (c aws.Credentials, err error) {
	f, err := os.Open(file)
	if err != nil {
		return c, errs.New(errs.Invalid, "credentials for S3: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	into := map[string]*string{"aws_access_key_id": &c.AccessKeyID, "aws_secret_access_key": &c.SecretAccessKey, "aws_session_token": &c.SessionToken}
	section := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSpace(strings.TrimSuffix(name, "]"))
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if to := into[strings.ToLower(strings.TrimSpace(key))]; ok && to != nil && section == profile {
			*to = strings.TrimSpace(value)
		}
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return c, errs.New(errs.Invalid, "%s has no aws_access_key_id and aws_secret_access_key in [%s]", file, profile)
	}
	return c, nil
}

// early is how long before their end credentials are asked for anew.
const early = 5 * time.Minute

// kept keeps credentials until they end.
func kept(ask func(ctx context.Context) (aws.Credentials, error)) func(context.Context) (aws.Credentials, error) {
	var mu sync.Mutex
	var c aws.Credentials
	return func(ctx context.Context) (aws.Credentials, error) {
		mu.Lock()
		defer mu.Unlock()
		if c.AccessKeyID != "" && time.Until(c.Expires) > early {
			return c, nil
		}
		next, err := ask(ctx)
		if err == nil {
			c = next
		} else if c.AccessKeyID == "" || time.Until(c.Expires) <= 0 {
			return c, errs.New(errs.KindOf(err), "credentials for S3: %w", err)
		}
		return c, nil
	}
}

// webIdentity takes a role with the token of a service account.
type webIdentity struct{ role, session, file, endpoint, region string }

func (w webIdentity) credentials(ctx context.Context) (c aws.Credentials, err error) {
	token, err := os.ReadFile(w.file)
	if err != nil {
		return c, err
	}
	if w.session == "" {
		w.session = "redrive"
	}
	if w.endpoint == "" {
		w.endpoint = "https://" + strings.Replace(host(w.region), "s3.", "sts.", 1)
	}
	var answer struct {
		C temporary `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
	}
	form := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {w.role}, "RoleSessionName": {w.session},
		"WebIdentityToken": {strings.TrimSpace(string(token))},
	}
	err = ask(ctx, http.MethodPost, strings.TrimSuffix(w.endpoint, "/")+"/", form.Encode(), "", func(r io.Reader) error { return xml.NewDecoder(r).Decode(&answer) })
	return answer.C.credentials(), err
}

// container asks the agent of EKS Pod Identity.
type container struct{ uri, file string }

func (p container) credentials(ctx context.Context) (c aws.Credentials, err error) {
	var token []byte
	if p.file != "" {
		if token, err = os.ReadFile(p.file); err != nil {
			return c, err
		}
	}
	var t temporary
	err = ask(ctx, http.MethodGet, p.uri, "", strings.TrimSpace(string(token)), func(r io.Reader) error { return json.NewDecoder(r).Decode(&t) })
	return t.credentials(), err
}

// temporary are credentials as both services write them.
type temporary struct {
	AccessKeyID     string `json:"AccessKeyId" xml:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	SessionToken    string
	Expiration      time.Time
}

func (t temporary) credentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: t.AccessKeyID, SecretAccessKey: t.SecretAccessKey, SessionToken: t.Token + t.SessionToken, CanExpire: true, Expires: t.Expiration}
}

// ask asks a place that the operator's environment named.
func ask(ctx context.Context, method, uri, form, authorization string, decode func(io.Reader) error) error {
	r, err := http.NewRequestWithContext(ctx, method, uri, strings.NewReader(form))
	if err != nil {
		return errs.New(errs.Invalid, "the place of the credentials is no URL")
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if err != nil {
		return errs.New(errs.Unavailable, "%s does not answer", r.URL.Host)
	}
	if res.StatusCode != http.StatusOK {
		return web.StatusError(res)
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	return decode(io.LimitReader(res.Body, 64<<10))
}
