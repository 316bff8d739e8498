package job

import (
	"bytes"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/redact"
)

// Config is a configuration: a JSON object, or none at all. It is kept as an
// encoded Struct of protobuf: most of what happens to a job only passes its
// configurations on, to the store and into events, and then bytes are copied.
// It is never changed.
type Config struct {
	encoded []byte // nil for none at all
}

// NewConfig returns an object as a configuration; nil is none at all. It is
// errs.Invalid for what is not JSON.
func NewConfig(object map[string]any) (Config, error) {
	if object == nil {
		return Config{}, nil
	}
	s, err := structpb.NewStruct(object)
	if err != nil {
		return Config{}, errs.Field("config", "is not a JSON object: %w", err)
	}
	return ConfigOf(s)
}

// ConfigOf returns a Struct as a configuration; nil is none at all. It is
// errs.Invalid for texts that are not UTF-8.
func ConfigOf(s *structpb.Struct) (Config, error) {
	if s == nil {
		return Config{}, nil
	}
	// In one order, so that the same configurations are mostly the same bytes.
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
	if err != nil {
		return Config{}, errs.Field("config", "is not JSON: %w", err)
	}
	return EncodedConfig(encoded), nil
}

// EncodedConfig returns the configuration that Encoded gave. It keeps the bytes.
func EncodedConfig(encoded []byte) Config {
	if encoded == nil {
		encoded = []byte{}
	}
	return Config{encoded}
}

// None reports whether there is no configuration, not even an empty one.
func (c Config) None() bool { return c.encoded == nil }

// Encoded returns the configuration as an encoded Struct, for reading.
func (c Config) Encoded() []byte { return c.encoded }

// Struct returns a copy of the configuration; nil for none at all.
func (c Config) Struct() (*structpb.Struct, error) {
	if c.None() {
		return nil, nil
	}
	s := &structpb.Struct{}
	if err := proto.Unmarshal(c.encoded, s); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return s, nil
}

// Object returns a copy of the configuration; nil for none at all.
func (c Config) Object() (map[string]any, error) {
	s, err := c.Struct()
	if s == nil {
		return nil, err
	}
	return s.AsMap(), nil
}

// Same reports whether two configurations say the same; none at all says what an
// empty one does.
func (c Config) Same(other Config) bool {
	if bytes.Equal(c.encoded, other.encoded) {
		return true
	}
	a, err := c.Object()
	b, otherErr := other.Object()
	return err == nil && otherErr == nil && len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}

// Redacted returns the configuration without its secrets.
func (c Config) Redacted() (Config, error) {
	object, err := c.Object()
	if err != nil {
		return Config{}, err
	}
	return NewConfig(redact.Config(object))
}
