package storetest

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
)

// The suite must pass on the model, else the model proves nothing.
func TestModel(t *testing.T) {
	Run(t, func(*testing.T) docstore.Store { return newModel() })
}
