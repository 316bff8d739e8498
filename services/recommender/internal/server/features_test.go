package server_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

// stream returns n attempts; those from the change-th on depend on seed.
func stream(n, change int, seed uint64) []history.Attempt {
	r := rand.New(rand.NewPCG(1, 1))
	all := make([]history.Attempt, n)
	for i := range all {
		if i == change {
			r = rand.New(rand.NewPCG(2, seed))
		}
		input := r.Int64N(8 * gib)
		all[i] = history.Attempt{
			ID:      failure.Attempt{Source: failure.Own, Job: fmt.Sprint("j", i), Number: 1}.FailureID(),
			Outcome: history.Succeeded, End: time.Unix(int64(100*i), 0).UTC(), Seconds: 10 + 100*r.Float64(), Input: input,
			Peak: 100*mib + input/8 + r.Int64N(50*mib), Sizes: map[engine.Part]int64{engine.Tree: 2 * gib},
		}
		if r.IntN(4) == 0 {
			all[i].Outcome, all[i].Killed, all[i].Class, all[i].Fingerprint = history.Failed, true, failure.MemoryContainer, "f"
		}
	}
	return all
}

// play plays a stream, and returns the features of each recommendation that was
// asked for after a failure in it, as they were told then.
func play(t *testing.T, all []history.Attempt) (rows []*redrivev1.Features) {
	t.Helper()
	s, histories, _ := newServer(t)
	for _, a := range all {
		if a.Outcome == history.Failed {
			req := killed(t, 512)
			req.Failure, req.Evidence.InputBytes = "failures/"+a.ID, a.Input
			got, err := s.Recommend(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			row := got.GetFeatures()
			row.Time = nil
			rows = append(rows, row)
		}
		if err := histories.Learn(t.Context(), record.Record{Type: kind, Attempt: a}, a.End); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

// Features are the rows that trainings see. Nothing that is heard after a
// decision may be in them: whatever comes later, they are the same.
func TestNothingFromLaterIsInTheFeatures(t *testing.T) {
	const n, change = 240, 120
	first, second := stream(n, change, 1), stream(n, change, 2)
	before := 0
	for _, a := range first[:change] {
		if a.Outcome == history.Failed {
			before++
		}
	}
	one, other := play(t, first), play(t, second)
	for i := range before {
		if !proto.Equal(one[i], other[i]) {
			t.Fatalf("row %d = %s before one future, %s before another", i, protojson.Format(one[i]), protojson.Format(other[i]))
		}
	}
	if last := min(len(one), len(other)) - 1; last < before || proto.Equal(one[last], other[last]) {
		t.Errorf("the last of %d rows are the same after other pasts: the test shows nothing", last+1)
	}
	if row := one[before-1]; row.GetPredictor() == "" || row.GetInputBytes() == 0 || row.GetObservations() == 0 || row.GetChosenBytes() == 0 || row.GetRawProbability() == 0 {
		t.Errorf("a row says little: %s", protojson.Format(row))
	}
}

func TestRecommendSizeAndReplay(t *testing.T) {
	s, histories, _ := newServer(t)
	for _, a := range stream(100, 0, 3) {
		a.Outcome = history.Succeeded
		if err := histories.Learn(t.Context(), record.Record{Type: kind, Attempt: a}, a.End); err != nil {
			t.Fatal(err)
		}
	}
	asks, err := structpb.NewStruct(map[string]any{"memory_mb": 4096.0})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.RecommendSize(t.Context(), &redrivev1.RecommendSizeRequest{Type: kind.Proto(), Config: asks, InputBytes: 2 * gib, Owner: "etl"})
	if err != nil {
		t.Fatal(err)
	}
	if m := got.GetChosen().GetMemoryBytes(); m < 350*mib || m > 600*mib || len(got.GetOperations()) != 2 || !got.GetInputs().GetFirst() {
		t.Errorf("RecommendSize = %s, want some 400 MiB in place of 4 GiB", protojson.Format(got))
	}
	again, err := s.ReplayRecommendation(t.Context(), &redrivev1.ReplayRecommendationRequest{Inputs: proto.CloneOf(got.GetInputs())})
	if err != nil || !proto.Equal(again, got) {
		t.Errorf("replay = %s, %v\nwant %s", protojson.Format(again), err, protojson.Format(got))
	}
	_, err = s.RecommendSize(t.Context(), &redrivev1.RecommendSizeRequest{Type: kind.Proto(), InputBytes: -1})
	if !errs.Is(err, errs.Invalid) {
		t.Errorf("RecommendSize of a negative input = %v, want Invalid", err)
	}
}

// BenchmarkRecommendByRuns is a recommendation about a job type with 500 measured
// runs: asked again, and after one more run.
func BenchmarkRecommendByRuns(b *testing.B) {
	all := stream(700, 0, 4)
	for i := range all {
		all[i].Outcome, all[i].Killed, all[i].Class = history.Succeeded, false, ""
	}
	for name, learns := range map[string]bool{"again": false, "after one more run": true} {
		b.Run(name, func(b *testing.B) {
			s, histories, _ := newServer(b)
			for _, a := range all[:500] {
				if err := histories.Learn(b.Context(), record.Record{Type: kind, Attempt: a}, a.End); err != nil {
					b.Fatal(err)
				}
			}
			req, i := killed(b, 512), 500
			req.Evidence.InputBytes = 3 * gib
			for b.Loop() {
				if learns {
					b.StopTimer()
					a := all[i%len(all)]
					a.End = time.Unix(int64(100*i), 0).UTC()
					a.ID = failure.Attempt{Source: failure.Own, Job: fmt.Sprint("j", i), Number: 1}.FailureID()
					i++
					if err := histories.Learn(b.Context(), record.Record{Type: kind, Attempt: a}, a.End); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				if _, err := s.Recommend(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
