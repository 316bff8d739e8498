// Package rules holds the rule packs that come with Redrive.
package rules

import "embed"

// FS has one YAML file a pack; docs/rules.md says how they are written.
//
//go:embed *.yaml
var FS embed.FS
