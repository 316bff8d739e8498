package finalize

import (
	"strings"

	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Dependency is a thing outside of the job that a failure is about, and so how
// far the damage may go: other jobs need it too.
type Dependency struct {
	Kind string // one of kinds, or empty for none
	Name string
}

// kinds are the names of captures that say a dependency, the more specific
// first: of a rule that captures several, the first of these is it.
var kinds = []string{
	"table", "view", "topic", "queue", "bucket", "warehouse", "image", "repository", "secret", "database", "schema", "keyspace", "index", "dataset", "catalog", "volume",
	"path", "cluster", "pool", "namespace", "project", "account", "region", "zone", "service", "endpoint", "url", "host", "node",
}

// wrapping is what messages put around names.
const wrapping = " \t`'\"<>[](){},;."

// dependencyOf returns what m captured by the name of a kind.
func dependencyOf(m rule.Match) Dependency {
	for _, kind := range kinds {
		if name := strings.Trim(m.Captures[kind], wrapping); name != "" {
			return Dependency{Kind: kind, Name: name}
		}
	}
	return Dependency{}
}
