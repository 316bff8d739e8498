// Package jvm holds the source of a JVM program that java runs as it is.
package jvm

import _ "embed"

// Sessions is Sessions.java.
//
//go:embed Sessions.java
var Sessions []byte
