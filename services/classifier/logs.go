package classifier

import (
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/files"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

// collecting says how logs are read.
func (o Options) collecting() collect.Options {
	return collect.Options{Drivers: map[string]source.Driver{"file": files.Driver{Roots: o.LogRoots}}}
}
