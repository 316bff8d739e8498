package trace

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	otel "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Options say whose spans they are.
type Options struct {
	// Service is service.name unless OTEL_SERVICE_NAME or
	// OTEL_RESOURCE_ATTRIBUTES has one; "redrive" when empty.
	Service string
	// Version and Replica are service.version and service.instance.id.
	Version, Replica string
	// Log gets what goes wrong, at most once a minute; slog.Default when nil.
	Log *slog.Logger
	// Metrics gets the number of spans; nil is none.
	Metrics prometheus.Registerer
}

// complainEvery is how often trouble with the collector is logged.
const complainEvery = time.Minute

// Setup begins to send spans to the collector that OTEL_EXPORTER_OTLP_ENDPOINT
// or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT names, by OTLP over gRPC; it does
// nothing when neither is set, or OTEL_SDK_DISABLED is true, or
// OTEL_TRACES_EXPORTER is none. The other variables of OTLP, of the resource, of
// the sampler and of the batches (OTEL_BSP_…) mean what OpenTelemetry says. A
// value that cannot be is errs.Invalid.
//
// The spans wait in a queue of OTEL_BSP_MAX_QUEUE_SIZE (2048); when it is full,
// because the collector is slow or away, they are dropped: nothing ever waits
// for the collector. stop sends what waits, as long as ctx lasts.
func Setup(ctx context.Context, o Options) (stop func(ctx context.Context) error, err error) {
	if !wanted() {
		return func(context.Context) error { return nil }, nil
	}
	if err := checkEnvironment(); err != nil {
		return nil, err
	}
	sampler, err := samplerOf(os.Getenv("OTEL_TRACES_SAMPLER"), os.Getenv("OTEL_TRACES_SAMPLER_ARG"))
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	res, err := o.resource(ctx)
	if err != nil {
		return nil, errs.New(errs.Invalid, "OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, errs.New(errs.Invalid, "send traces: %w", err)
	}
	counting, counted, err := count(exporter, o.Metrics)
	if err != nil {
		return nil, err
	}
	otel.SetErrorHandler(&complaints{log: o.Log.With("component", "trace")})
	p := sdk.NewTracerProvider(sdk.WithResource(res), sdk.WithSampler(sampler), sdk.WithSpanProcessor(counting), sdk.WithBatcher(counted))
	restore := Install(p)
	return func(ctx context.Context) error {
		restore()
		if err := p.Shutdown(ctx); err != nil {
			return fmt.Errorf("the last spans could not be sent: %w", err)
		}
		return nil
	}, nil
}

func wanted() bool {
	return endpoint() != "" && !strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") && os.Getenv("OTEL_TRACES_EXPORTER") != "none"
}

// endpoint is the collector's URL; that of traces wins.
func endpoint() string {
	if e := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); e != "" {
		return e
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
}

// checkEnvironment refuses what the exporter would read as something else.
func checkEnvironment() error {
	u, err := url.Parse(endpoint())
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errs.Field("OTEL_EXPORTER_OTLP_ENDPOINT", "%q is not a URL such as http://collector:4317 (https:// for TLS)", endpoint())
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := os.Getenv(name); p != "" && p != "grpc" {
			return errs.Field(name, "%q is not spoken here: leave it out or set it to grpc, and name the collector's gRPC port", p)
		}
	}
	if e := os.Getenv("OTEL_TRACES_EXPORTER"); e != "" && e != "otlp" {
		return errs.Field("OTEL_TRACES_EXPORTER", "%q is not there: it must be otlp or none", e)
	}
	return nil
}

// resource is what all spans have in common. The environment wins.
func (o Options) resource(ctx context.Context) (*resource.Resource, error) {
	if o.Service == "" {
		o.Service = "redrive"
	}
	own := []attribute.KeyValue{attribute.String("service.name", o.Service), attribute.String("service.version", o.Version)}
	if o.Replica != "" {
		own = append(own, attribute.String("service.instance.id", o.Replica))
	}
	return resource.New(ctx, resource.WithAttributes(own...), resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv())
}

// complaints logs trouble, now and then.
type complaints struct {
	log  *slog.Logger
	mu   sync.Mutex
	last time.Time
	kept int // complaints since
}

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.last) < complainEvery {
		c.kept++
		return
	}
	c.log.Warn("traces cannot be sent; spans are dropped, nothing waits for them", "error", err, "times", c.kept+1)
	c.last, c.kept = time.Now(), 0
}
