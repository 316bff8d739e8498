package trace

import (
	"strconv"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/redrive-io/redrive/pkg/errs"
)

// samplerOf returns the sampler of OTEL_TRACES_SAMPLER and its argument. The SDK
// would read them itself; but of a span that begins a trace with a link it knows
// nothing, and a chain of ten events sampled at one in ten would be cut at each.
// So the samplers that are based on the parent are based on the link too.
func samplerOf(name, arg string) (sdk.Sampler, error) {
	ratio := 1.0
	if arg != "" {
		var err error
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return nil, errs.Field("OTEL_TRACES_SAMPLER_ARG", "%q is not a number from 0 to 1", arg)
		}
	}
	switch name {
	case "always_on":
		return sdk.AlwaysSample(), nil
	case "always_off":
		return sdk.NeverSample(), nil
	case "traceidratio":
		return sdk.TraceIDRatioBased(ratio), nil
	case "", "parentbased_always_on":
		return sdk.ParentBased(linkBased{sdk.AlwaysSample()}), nil
	case "parentbased_always_off":
		return sdk.ParentBased(linkBased{sdk.NeverSample()}), nil
	case "parentbased_traceidratio":
		return sdk.ParentBased(linkBased{sdk.TraceIDRatioBased(ratio)}), nil
	}
	return nil, errs.Field("OTEL_TRACES_SAMPLER", "%q is none of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio", name)
}

// linkBased samples a trace that begins with a link to a sampled span, and asks
// another sampler about all others.
type linkBased struct{ sdk.Sampler }

// ShouldSample implements sdk.Sampler.
func (l linkBased) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	for _, link := range p.Links {
		if link.SpanContext.IsSampled() {
			return sdk.AlwaysSample().ShouldSample(p)
		}
	}
	return l.Sampler.ShouldSample(p)
}

// Description implements sdk.Sampler.
func (l linkBased) Description() string { return "LinkBased{" + l.Sampler.Description() + "}" }
