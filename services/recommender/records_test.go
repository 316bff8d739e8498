package recommender_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender"
)

// records reads all records, three at a time.
func records(t *testing.T, client redrivev1.RecommenderServiceClient) *redrivev1.ListRecordsResponse {
	t.Helper()
	all := &redrivev1.ListRecordsResponse{}
	for token := ""; ; {
		page, err := client.ListRecords(t.Context(), &redrivev1.ListRecordsRequest{PageSize: 3, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		all.Records = append(all.Records, page.GetRecords()...)
		if token = page.GetNextPageToken(); token == "" {
			return all
		}
	}
}

func TestRecordsAreKeptAndRebuiltFromTheStream(t *testing.T) {
	b := bustest.New(t)
	first := replica(t, recommender.Deps{Store: storetest.Open(t), Bus: b})
	const jobs = 4
	if err := b.Publish(t.Context(), outcomes(t, jobs)...); err != nil {
		t.Fatal(err)
	}
	model(t, first, 2*jobs)
	want := records(t, first)
	if len(want.GetRecords()) != 2*jobs {
		t.Fatalf("%d records, want %d", len(want.GetRecords()), 2*jobs)
	}
	empty := replica(t, recommender.Deps{Store: storetest.Open(t), Bus: b})
	for _, added := range []int64{2 * jobs, 0} {
		r, err := empty.RebuildRecords(t.Context(), &redrivev1.RebuildRecordsRequest{})
		if err != nil || r.GetEvents() != 2*jobs || r.GetAdded() != added {
			t.Fatalf("rebuilt %v, %v; want %d of %d events", r, err, added, 2*jobs)
		}
	}
	if got := records(t, empty); !proto.Equal(got, want) {
		t.Errorf("rebuilt\n%s\nwant\n%s", protojson.Format(got), protojson.Format(want))
	}
	for _, other := range []*redrivev1.JobType{{Workflow: "w"}, {Workflow: "w", Step: "s", Engine: "java"}} {
		if _, err := first.ListRecords(t.Context(), &redrivev1.ListRecordsRequest{Type: other}); err == nil {
			t.Errorf("%v was taken for a job type", other)
		}
	}
}
