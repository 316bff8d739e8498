// Package spark holds PySpark applications that fail in the ways that Spark
// applications do.
package spark

import "embed"

// Applications are the Python files.
//
//go:embed *.py
var Applications embed.FS
