package recent_test

import (
	"fmt"
	"testing"

	"github.com/redrive-io/redrive/pkg/recent"
)

func TestWhatWasUsedLastIsKept(t *testing.T) {
	const most = 10
	r := recent.New[int](most)
	for n := range 100 * most {
		r.Put(fmt.Sprint(n), n)
		for i := max(0, n-most+1); i <= n; i++ {
			if got, ok := r.Get(fmt.Sprint(i)); !ok || got != i {
				t.Fatalf("after %d: %d is %d, %v", n, i, got, ok)
			}
		}
	}
	kept := 0
	for n := range 100 * most {
		if _, ok := r.Get(fmt.Sprint(n)); ok {
			kept++
		}
	}
	if kept > 2*most {
		t.Errorf("%d are kept, want at most %d", kept, 2*most)
	}
}

func TestWhatIsPutOrDroppedTakesEffect(t *testing.T) {
	r := recent.New[string](2)
	for n := range 3 { // young and old
		r.Put("a", "first")
		for i := range n {
			r.Put(fmt.Sprint(i), "")
		}
		r.Put("a", "second")
		if got, ok := r.Get("a"); !ok || got != "second" {
			t.Errorf("after %d more: %q, %v, want what was put last", n, got, ok)
		}
		r.Drop("a")
		if got, ok := r.Get("a"); ok {
			t.Errorf("after %d more: %q is there, though it was dropped", n, got)
		}
	}
}
