package serve_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// painter draws one failure.
type painter struct {
	redrivev1.UnimplementedClassifierServiceServer
}

const drawn = "<svg xmlns=\"http://www.w3.org/2000/svg\"><title>a &amp; b</title></svg>\n"

func (painter) PlotFailure(_ context.Context, req *redrivev1.PlotFailureRequest) (*redrivev1.PlotFailureResponse, error) {
	if req.GetName() != "failures/a" {
		return nil, errs.New(errs.FailedPrecondition, "there is nothing to draw")
	}
	return &redrivev1.PlotFailureResponse{Svg: drawn}, nil
}

func TestAPictureOverRESTIsThePictureItself(t *testing.T) {
	s, err := serve.New(serve.Options{Token: token, REST: []serve.Gateway{redrivev1.RegisterClassifierServiceHandler}})
	if err != nil {
		t.Fatal(err)
	}
	redrivev1.RegisterClassifierServiceServer(grpc.ServiceRegistrar(s), painter{})
	s.Start()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	for _, accept := range []string{"", "*/*", "application/json", "text/html,image/svg+xml;q=0.9"} {
		resp, text := request(t, s, http.MethodGet, "/v1/failures/a:plot", "", func(r *http.Request) { r.Header.Set("Accept", accept) })
		h := resp.Header
		if resp.StatusCode != http.StatusOK || text != drawn || h.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("Accept %q: %d %s %q, want the picture", accept, resp.StatusCode, h.Get("Content-Type"), text)
		}
		if got, want := h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"; got != want {
			t.Errorf("Accept %q: the policy is %q, want %q", accept, got, want)
		}
	}
	resp, text := request(t, s, http.MethodGet, "/v1/failures/b:plot", "", nil)
	if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Content-Type") != "application/json" ||
		resp.Header.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'" {
		t.Errorf("no picture: %d %v %s, want a status as JSON", resp.StatusCode, resp.Header, text)
	}
	bare, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.HTTPAddr()+"/v1/failures/a:plot", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(bare)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // nothing is left to lose
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d, %v, want 401", answer.StatusCode, err)
	}
}
