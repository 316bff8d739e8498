package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func TestWhatRESTRefuses(t *testing.T) {
	s, _ := start(t, &scheduler{})
	header := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	const body = `{"job":{"owner":"me"}}`
	for _, tc := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		want                     int
		reason                   string
	}{
		{"nothing wrong", "POST", "/v1/jobs", body, nil, 200, ""},
		{"charset", "POST", "/v1/jobs", body, header("Content-Type", "application/json; charset=utf-8"), 200, ""},
		{"no body at all", "POST", "/v1/jobs", "", nil, 200, ""},
		{"no token", "POST", "/v1/jobs", body, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "TOKEN_MISSING"},
		{"two tokens", "GET", "/v1/jobs", "", func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+token) }, 401, "TOKEN_MISSING"},
		{"wrong token", "GET", "/v1/jobs", "", header("Authorization", "Bearer "+token+"x"), 401, "TOKEN_WRONG"},
		{"wrong scheme", "GET", "/v1/jobs", "", header("Authorization", "Basic "+token), 401, "TOKEN_WRONG"},
		{"metrics without token", "GET", "/metrics", "", header("Authorization", ""), 401, "TOKEN_WRONG"},
		{"metrics", "GET", "/metrics", "", nil, 200, ""},
		{"openapi without token", "GET", "/openapi.json", "", header("Authorization", ""), 401, "TOKEN_WRONG"},
		{"openapi", "GET", "/openapi.json", "", nil, 200, ""},
		{"the root", "GET", "/", "", nil, 404, "NO_SUCH_ROUTE"},
		{"host localhost", "GET", "/v1/jobs", "", host("localhost:1"), 200, ""},
		{"host ::1", "GET", "/v1/jobs", "", host("[::1]:80"), 200, ""},
		{"host that was allowed", "GET", "/v1/jobs", "", host("Redrive.Example"), 200, ""},
		{"foreign host", "GET", "/v1/jobs", "", host("attacker.example"), 403, "HOST_NOT_ALLOWED"},
		{"foreign host that begins like ours", "GET", "/v1/jobs", "", host("localhost.attacker.example"), 403, "HOST_NOT_ALLOWED"},
		{"foreign address", "GET", "/v1/jobs", "", host("192.0.2.1"), 403, "HOST_NOT_ALLOWED"},
		{"foreign host on a probe", "GET", "/healthz", "", host("attacker.example"), 403, "HOST_NOT_ALLOWED"},
		{"own origin", "GET", "/v1/jobs", "", header("Origin", "http://"+s.HTTPAddr()), 200, ""},
		{"foreign origin", "GET", "/v1/jobs", "", header("Origin", "https://attacker.example"), 403, "ORIGIN_NOT_ALLOWED"},
		{"other port of this host", "GET", "/v1/jobs", "", header("Origin", "http://127.0.0.1:1"), 403, "ORIGIN_NOT_ALLOWED"},
		{"null origin", "GET", "/v1/jobs", "", header("Origin", "null"), 403, "ORIGIN_NOT_ALLOWED"},
		{"preflight", "OPTIONS", "/v1/jobs", "", header("Origin", "https://attacker.example"), 403, "ORIGIN_NOT_ALLOWED"},
		{"a form", "POST", "/v1/jobs", body, header("Content-Type", "application/x-www-form-urlencoded"), 415, "CONTENT_TYPE_NOT_JSON"},
		{"text", "POST", "/v1/jobs", body, header("Content-Type", "text/plain"), 415, "CONTENT_TYPE_NOT_JSON"},
		{"no content type", "POST", "/v1/jobs", body, func(r *http.Request) { r.Header.Del("Content-Type") }, 415, "CONTENT_TYPE_NOT_JSON"},
		{"large body", "POST", "/v1/jobs", strings.Repeat(" ", serve.MaxRequestBytes+1), nil, 413, "BODY_TOO_LARGE"},
		{"not JSON", "POST", "/v1/jobs", `{"job":`, nil, 400, "MALFORMED_REQUEST"},
		{"more than one value", "POST", "/v1/jobs", `{} {}`, nil, 400, "MALFORMED_REQUEST"},
		{"unknown field", "POST", "/v1/jobs", `{"job":{"ownr":"me"}}`, nil, 400, "INVALID_FIELD"},
		{"wrong type", "POST", "/v1/jobs", `{"job":7}`, nil, 400, "MALFORMED_REQUEST"},
		{"a state", "GET", "/v1/jobs?state=STATE_WAITING", "", nil, 200, ""},
		{"a state by its number", "GET", "/v1/jobs?state=1", "", nil, 200, ""},
		{"unknown state", "GET", "/v1/jobs?state=WAITING", "", nil, 400, "MALFORMED_REQUEST"},
		{"unknown parameter", "GET", "/v1/jobs?page_siz=1", "", nil, 400, "INVALID_FIELD"},
		{"both spellings of a parameter", "GET", "/v1/jobs?pageSize=1&page_token=x", "", nil, 200, ""},
		{"wrong method", "DELETE", "/v1/jobs", "", nil, 405, "NO_SUCH_ROUTE"},
		{"no such path", "GET", "/v1/nothing", "", nil, 404, "NO_SUCH_ROUTE"},
		{"method not served", "POST", "/v1/jobs/a:cancel", `{}`, nil, 501, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, text := request(t, s, tc.method, tc.path, tc.body, tc.change)
			if resp.StatusCode != tc.want {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tc.want, text)
			}
			if tc.reason != "" && !strings.Contains(text, `"`+tc.reason+`"`) {
				t.Errorf("answer %s, want the reason %s", text, tc.reason)
			}
			for key := range resp.Header {
				if strings.HasPrefix(key, "Access-Control-") {
					t.Errorf("the answer has %s, want no CORS", key)
				}
			}
		})
	}
}

func TestAnErrorOverRESTIsAStatus(t *testing.T) {
	s, _ := start(t, &scheduler{
		get: func(context.Context, *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
			return nil, errs.Again(1500*time.Millisecond, "the store is down")
		},
		submit: func(context.Context, *redrivev1.SubmitJobRequest) (*redrivev1.Job, error) {
			return nil, errs.Fields(errs.Field("job.type", "is required"), errs.Field("job.config", "has 9 MiB, may have 64 KiB"))
		},
	})
	resp, text := request(t, s, "GET", "/v1/jobs/a", "", nil)
	if got := resp.Header.Get("Retry-After"); resp.StatusCode != 503 || got != "2" {
		t.Errorf("status %d, Retry-After %q; want 503 and 2", resp.StatusCode, got)
	}
	type detail struct {
		Type            string `json:"@type"`
		Reason, Domain  string
		FieldViolations []struct{ Field, Description string }
	}
	var st struct {
		Code    int
		Message string
		Details []detail
	}
	if err := json.Unmarshal([]byte(text), &st); err != nil || st.Code != 14 || st.Message != "the store is down" {
		t.Errorf("answer %s (%v), want the status", text, err)
	}
	resp, text = request(t, s, "POST", "/v1/jobs", `{}`, nil)
	if err := json.Unmarshal([]byte(text), &st); err != nil || resp.StatusCode != 400 {
		t.Fatalf("status %d, %s (%v)", resp.StatusCode, text, err)
	}
	var info, bad detail
	for _, d := range st.Details {
		switch {
		case strings.HasSuffix(d.Type, "ErrorInfo"):
			info = d
		case strings.HasSuffix(d.Type, "BadRequest"):
			bad = d
		}
	}
	if info.Reason != "INVALID_FIELD" || info.Domain != errs.Domain || len(bad.FieldViolations) != 2 || bad.FieldViolations[1].Field != "job.config" {
		t.Errorf("details = %+v, want the error's", st.Details)
	}
	// The same over gRPC.
	_, err := client(t, s, token).SubmitJob(t.Context(), &redrivev1.SubmitJobRequest{})
	if e, ok := errors.AsType[*errs.Error](err); !ok || len(e.Violations) != 2 || e.Violations[0].Field != "job.type" {
		t.Errorf("over gRPC: %#v, want both violations", err)
	}
}

func TestTheFormOfAnswers(t *testing.T) {
	s, _ := start(t, &scheduler{})
	_, text := request(t, s, "GET", "/v1/jobs", "", nil)
	var got map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if jobs, ok := got["jobs"].([]any); !ok || len(jobs) != 0 || got["nextPageToken"] != "" {
		t.Errorf("answer %s, want an empty list and an empty token that are written", text)
	}
	_, text = request(t, s, "POST", "/v1/jobs", `{"job":{"owner":"me","work_dir":1}}`, nil)
	if !strings.Contains(text, "work_dir") {
		t.Errorf("answer %s, want the unknown field's name", text)
	}
	_, text = request(t, s, "POST", "/v1/jobs", `{"job":{"owner":"me"}}`, nil)
	if !strings.Contains(text, `"owner":"me"`) || strings.Contains(text, "dueTime") || !strings.Contains(text, `"revision":"0"`) {
		t.Errorf("answer %s, want zero values and no unset message", text)
	}
}
