package s3_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/s3"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/window"
)

// driver returns a driver for the environment, allowed to read s3://logs/.
func driver(t *testing.T, env map[string]string) *s3.Driver {
	t.Helper()
	p, err := source.ParsePrefix("s3://logs/")
	if err != nil {
		t.Fatal(err)
	}
	o, err := s3.FromEnvironment(source.Prefixes{p}, func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	return s3.New(o)
}

func read(t *testing.T, d source.Driver, uri string, pattern bool) ([]string, []window.Windows, error) {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	found, err := d.Find(t.Context(), source.Ref{URL: u, Pattern: pattern})
	if err != nil {
		return nil, nil, err
	}
	var uris []string
	var all []window.Windows
	for _, l := range found.Logs {
		w, err := window.Read(t.Context(), l)
		if err != nil {
			return nil, nil, err
		}
		uris, all = append(uris, l.URI), append(all, w)
	}
	return uris, all, nil
}

var long = "first line\n" + strings.Repeat("x123456\n", 100_000) + "last line\n"

func TestObjects(t *testing.T) {
	objects := map[string]string{
		"etl/7/stderr": "boom", "long": long, "empty": "", "dt=2026-11-21/a b+c&d@é?.log": "odd name", "a//b": "two slashes",
	}
	for _, b := range []*bucket{
		{name: "logs", region: "eu-west-1", key: "AKIDEXAMPLE", secret: "s/e+cret", objects: objects},
		{name: "logs", region: "eu-west-1", key: "AKIDEXAMPLE", secret: "s/e+cret", session: "a/session+token", objects: objects},
		{name: "logs", objects: objects},
	} {
		d := driver(t, map[string]string{
			"AWS_ENDPOINT_URL": b.serve(t), "AWS_REGION": b.region, "AWS_ACCESS_KEY_ID": b.key, "AWS_SECRET_ACCESS_KEY": b.secret, "AWS_SESSION_TOKEN": b.session,
		})
		for key, text := range objects {
			_, got, err := read(t, d, (&url.URL{Scheme: "s3", Host: "logs", Path: "/" + key}).String(), false)
			if err != nil {
				t.Errorf("%s: %v", key, err)
				continue
			}
			w := got[0]
			if !strings.HasPrefix(text, w.Head) || !strings.HasSuffix(text, w.Tail) || w.Size != int64(len(text)) || w.Cut != (key == "long") || !w.Modified.Equal(written) && key != "empty" {
				t.Errorf("%s = %.20q, %+v", key, w.Head, w.Modified)
			}
		}
		for uri, kind := range map[string]errs.Kind{
			"s3://logs/none": errs.NotFound, "s3://other/x": errs.PermissionDenied, "s3://logs/": errs.Invalid, "s3://logs/../other/x": errs.PermissionDenied,
		} {
			if _, _, err := read(t, d, uri, false); !errs.Is(err, kind) {
				t.Errorf("%s = %v, want %v", uri, err, kind)
			}
		}
	}
}

func TestWrongKeysAreRefused(t *testing.T) {
	b := &bucket{name: "logs", region: "us-east-1", key: "AKIDEXAMPLE", secret: "right", objects: map[string]string{"x": "boom"}}
	d := driver(t, map[string]string{"AWS_ENDPOINT_URL": b.serve(t), "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wrong"})
	if _, _, err := read(t, d, "s3://logs/x", false); !errs.Is(err, errs.PermissionDenied) || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("read = %v", err)
	}
}

func TestPatterns(t *testing.T) {
	b := &bucket{name: "logs", region: "us-east-1", key: "AK", secret: "s", objects: map[string]string{
		"spark/application_1_7": "single", "spark/application_1_77": "another's", "spark/application_1_7_1.inprogress": "attempt",
		"spark/eventlog_v2_application_1_7/events_1": "rolled 1", "spark/eventlog_v2_application_1_7/events_2": "rolled 2",
		"spark/eventlog_v2_application_1_7/deep/x": "deep", "other/application_1_7": "elsewhere",
	}}
	d := driver(t, map[string]string{"AWS_ENDPOINT_URL": b.serve(t), "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s"})
	for pattern, want := range map[string]string{
		"s3://logs/spark/application_1_7_*":              "s3://logs/spark/application_1_7_1.inprogress",
		"s3://logs/spark/application_1_7":                "s3://logs/spark/application_1_7",
		"s3://logs/spark/eventlog_v2_application_1_7/e*": "s3://logs/spark/eventlog_v2_application_1_7/events_2 s3://logs/spark/eventlog_v2_application_1_7/events_1",
		"s3://logs/spark/eventlog*_1_7":                  "s3://logs/spark/eventlog_v2_application_1_7/events_2 s3://logs/spark/eventlog_v2_application_1_7/events_1",
	} {
		uris, _, err := read(t, d, pattern, true)
		if err != nil || strings.Join(uris, " ") != want {
			t.Errorf("%s = %q, %v, want %q", pattern, uris, err, want)
		}
	}
	if _, _, err := read(t, d, "s3://logs/spark/application_2*", true); !errs.Is(err, errs.NotFound) {
		t.Errorf("nothing like it = %v", err)
	}
}

func TestCredentialsOfRoles(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("web.identity.token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := 0
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		switch {
		case r.FormValue("WebIdentityToken") == "web.identity.token" && r.FormValue("RoleArn") == "arn:aws:iam::1:role/logs" && r.Method == http.MethodPost:
			_, _ = fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
				<AccessKeyId>AK</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>session</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, until)
		case r.Header.Get("Authorization") == "web.identity.token" && r.URL.Path == "/v1/credentials":
			_, _ = fmt.Fprintf(w, `{"AccessKeyId": "AK", "SecretAccessKey": "s", "Token": "session", "Expiration": %q}`, until)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(agent.Close)
	file := filepath.Join(dir, "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = X\naws_secret_access_key = Y\n[logs]\n# ours\naws_access_key_id = AK\naws_secret_access_key=s\naws_session_token = session\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &bucket{name: "logs", region: "us-east-1", key: "AK", secret: "s", session: "session", objects: map[string]string{"x": "boom"}}
	endpoint := b.serve(t)
	for name, env := range map[string]map[string]string{
		"web identity": {"AWS_ROLE_ARN": "arn:aws:iam::1:role/logs", "AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ENDPOINT_URL_STS": agent.URL},
		"pod identity": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.URL + "/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token},
		"file":         {"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "logs"},
	} {
		env["AWS_ENDPOINT_URL_S3"] = endpoint
		d := driver(t, env)
		for range 2 {
			if _, got, err := read(t, d, "s3://logs/x", false); err != nil || got[0].Head != "boom" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if asked != 2 {
		t.Errorf("the agents were asked %d times, want once each", asked)
	}
	for name, env := range map[string]map[string]string{
		"no such profile": {"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "none"}, "no such file": {"AWS_SHARED_CREDENTIALS_FILE": file + "x"},
		"no URL": {"AWS_ENDPOINT_URL": "minio:9000"},
	} {
		if _, err := s3.FromEnvironment(nil, func(n string) string { return env[n] }); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s = %v, want Invalid", name, err)
		}
	}
}
