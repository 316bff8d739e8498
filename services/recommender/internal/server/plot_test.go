package server_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func TestPlotRecommendation(t *testing.T) {
	s, histories, _ := newServer(t)
	learn(t, histories, 20, 700*mib)
	for name, tc := range map[string]struct {
		req  *redrivev1.RecommendRequest
		want []string
	}{
		"a kill":                {killed(t, 512), []string{"Retry of w/s after attempt 1", "failed with 512 MiB", "chosen ", "ceiling 8 GiB"}},
		"a kill at the ceiling": {killed(t, 8192), []string{"failed with 8 GiB", "ceiling 8 GiB", "no candidate is worth a retry"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Recommend(t.Context(), tc.req)
			if err != nil {
				t.Fatal(err)
			}
			plot, err := s.PlotRecommendation(t.Context(), &redrivev1.PlotRecommendationRequest{Inputs: got.GetInputs()})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.want {
				if !strings.Contains(plot.GetSvg(), want) {
					t.Errorf("the picture lacks %q", want)
				}
			}
			if err := xml.Unmarshal([]byte(plot.GetSvg()), new(struct{})); err != nil {
				t.Errorf("not well-formed: %v", err)
			}
			again, err := s.PlotRecommendation(t.Context(), &redrivev1.PlotRecommendationRequest{Inputs: got.GetInputs()})
			if err != nil || !proto.Equal(again, plot) {
				t.Errorf("the same inputs give another picture, %v", err)
			}
		})
	}
}

func TestPlotOfAFirstAttempt(t *testing.T) {
	s, histories, _ := newServer(t)
	learn(t, histories, 20, 700*mib)
	got, err := s.RecommendSize(t.Context(), &redrivev1.RecommendSizeRequest{Type: kind.Proto(), Config: killed(t, 2048).GetConfig()})
	if err != nil {
		t.Fatal(err)
	}
	plot, err := s.PlotRecommendation(t.Context(), &redrivev1.PlotRecommendationRequest{Inputs: got.GetInputs()})
	if err != nil {
		t.Fatal(err)
	}
	if svg := plot.GetSvg(); !strings.Contains(svg, "First attempt of w/s") || !strings.Contains(svg, "set memory to ") || !strings.Contains(svg, "the configuration says 2 GiB") || !strings.Contains(svg, "chosen ") || strings.Contains(svg, "failed with") {
		t.Errorf("the picture is not that of a first attempt:\n%.600s", svg)
	}
}

func TestWhatIsNotAboutMemoryHasNoPicture(t *testing.T) {
	s, _, _ := newServer(t)
	req := killed(t, 512)
	req.Class, req.Evidence = "preemption", nil
	got, err := s.Recommend(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PlotRecommendation(t.Context(), &redrivev1.PlotRecommendationRequest{Inputs: got.GetInputs()}); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("plot of a preemption = %v, want FailedPrecondition", err)
	}
	if _, err := s.PlotRecommendation(t.Context(), nil); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "inputs.request.type.workflow: ") {
		t.Errorf("plot of nothing = %v, want Invalid", err)
	}
}
