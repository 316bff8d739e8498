package system

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/redrive-io/redrive/pkg/serve"
	"github.com/redrive-io/redrive/proto/openapi"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// gateways are the REST routes of all services.
var gateways = []serve.Gateway{
	redrivev1.RegisterSchedulerServiceHandler,
	redrivev1.RegisterClassifierServiceHandler,
	redrivev1.RegisterRecommenderServiceHandler,
	redrivev1.RegisterConfigServiceHandler,
	redrivev1.RegisterNotifierServiceHandler,
}

var openAPI = openapi.JSON

// newRegistry returns the metrics of one system, with what Go and the operating
// system know of the process.
func newRegistry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "redrive_build_info", Help: "1, with the version in the labels.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	info.Set(1)
	r.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
