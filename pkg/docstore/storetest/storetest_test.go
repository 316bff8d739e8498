package storetest_test

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore/storetest"
)

func TestOpenGivesAStoreThatWorks(t *testing.T) {
	storetest.Compare(t, storetest.Open(t), []byte("a script like any other: it means something"))
}
