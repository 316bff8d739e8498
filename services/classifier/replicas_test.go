package classifier

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// TestReplicasMakeOneFailureAndOnePatch of every attempt: it is told twice to
// the two of them, by the bus in any order and by calls to both.
func TestReplicasMakeOneFailureAndOnePatch(t *testing.T) {
	const jobs = 30
	w := newWorld(t)
	var clients []redrivev1.ClassifierServiceClient
	for _, name := range []string{"a", "b"} {
		w.replica = name
		_, client := w.running(Options{})
		clients = append(clients, client)
	}
	type telling struct {
		event    *redrivev1.AttemptFailed
		emission int
	}
	var all []telling
	for n := range jobs {
		log := "t-heap too small\n"
		if n%3 == 0 {
			log = "t-bug null\n"
		}
		m := told(fmt.Sprintf("job-%d", n), 1, log)
		all = append(all, telling{m, 0}, telling{m, 1})
	}
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i, x := range all {
		w.publish(x.event, x.emission)
		if i%5 == 0 {
			_, err := clients[i%2].Classify(t.Context(), &redrivev1.ClassifyRequest{
				Attempt: x.event.GetAttempt(), Type: x.event.GetType(), Config: x.event.GetConfig(), Evidence: x.event.GetEvidence(),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	final := map[string]*redrivev1.Failure{}
	for len(final) < jobs {
		f := w.wait()
		if before := final[f.GetName()]; before != nil && before.GetPatch() != f.GetPatch() {
			t.Errorf("%s was told with %q and with %q", f.GetName(), before.GetPatch(), f.GetPatch())
		}
		final[f.GetName()] = f
	}
	n, err := w.store.Count(t.Context(), docstore.Query{Kind: "classifier.failure"}, 0)
	if err != nil || n != jobs {
		t.Errorf("%d failures are kept (%v), want %d", n, err, jobs)
	}
	if patches := len(w.config.all()); patches != jobs*2/3 {
		t.Errorf("%d patches, want one for each of the %d failures that need one", patches, jobs*2/3)
	}
}
