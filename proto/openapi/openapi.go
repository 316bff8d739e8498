// Package openapi embeds the OpenAPI document of the REST API, which is
// generated from the protos and proto/gateway.yaml.
package openapi

import _ "embed" // for go:embed

// JSON is the document (Swagger 2.0).
//
//go:embed redrive.swagger.json
var JSON []byte
