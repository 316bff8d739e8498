package configsvc_test

import (
	"fmt"
	"sync"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc"
)

// TestReplicasMakeOnePatchARequest: every request comes to both replicas, twice,
// at the same time. A job has one active patch in the end, and so does the type.
func TestReplicasMakeOnePatchARequest(t *testing.T) {
	const jobs, requests = 5, 4
	b, db := bustest.New(t), storetest.Open(t)
	var clients []redrivev1.ConfigServiceClient
	for _, name := range []string{"a", "b"} {
		clients = append(clients, start(t, configsvc.Deps{Store: db, Bus: b, Replica: name}))
	}
	kind := &redrivev1.JobType{Workflow: "etl", Step: "load", Engine: "process"}
	var mu sync.Mutex
	names := map[string]string{} // by request
	var all sync.WaitGroup
	for n := range jobs * requests {
		for i := range 2 * len(clients) {
			all.Go(func() {
				request := fmt.Sprintf("failure-%d", n)
				p, err := clients[i%len(clients)].CreatePatch(t.Context(), &redrivev1.CreatePatchRequest{RequestId: request, Patch: &redrivev1.Patch{
					Scope: &redrivev1.PatchScope{Job: fmt.Sprintf("jobs/etl-%d", n%jobs)}, Type: kind,
					Operations: []*redrivev1.PatchOperation{{Op: "add", Path: "/memory_mb", Value: structpb.NewNumberValue(float64(1024 + n))}},
				}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if before := names[request]; before != "" && before != p.GetName() {
					t.Errorf("request %s made %s and %s", request, before, p.GetName())
				}
				names[request] = p.GetName()
			})
		}
	}
	all.Wait()
	if n, err := db.Count(t.Context(), docstore.Query{Kind: "configsvc.patch"}, 0); err != nil || n != jobs*requests {
		t.Errorf("%d patches (%v), want %d", n, err, jobs*requests)
	}
	active := map[string]int{}
	res, err := clients[0].ListPatches(t.Context(), &redrivev1.ListPatchesRequest{PageSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	var newest string
	for _, p := range res.GetPatches() {
		if p.GetState() == redrivev1.Patch_STATE_ACTIVE {
			active[p.GetScope().GetJob()]++
			newest = p.GetName()
		}
	}
	for job, n := range active {
		if n != 1 || len(active) != jobs {
			t.Errorf("%s has %d active patches, and %d jobs have some; want 1 and %d", job, n, len(active), jobs)
		}
	}
	promoted := map[string]bool{}
	for i := range 2 * len(clients) {
		all.Go(func() {
			p, err := clients[i%len(clients)].PromotePatch(t.Context(), &redrivev1.PromotePatchRequest{Name: newest})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			promoted[p.GetName()] = true
		})
	}
	all.Wait()
	if len(promoted) != 1 {
		t.Errorf("one patch was promoted to %v, want to one", promoted)
	}
}
