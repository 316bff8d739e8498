package wire

import (
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/proposal"
)

// Suggestion writes a suggestion for the wire.
func Suggestion(s proposal.Suggestion) *redrivev1.RuleSuggestion {
	return &redrivev1.RuleSuggestion{
		Rule:     Rule(s.Rule),
		Examined: int32(s.Own.Examined), Support: int32(s.Own.Matched),
		ClassifiedExamined: int32(s.Others.Examined), ClassifiedMatched: int32(s.Others.Matched),
		SuccessfulExamined: int32(s.Success.Examined), SuccessfulMatched: int32(s.Success.Matched),
		Examples: examples(s.Examples), Wrong: examples(s.Wrong),
		RetriesSucceeded: int32(s.Retries.Succeeded), RetriesFailed: int32(s.Retries.Failed),
		Proven: s.Proven, Doubts: s.Doubts,
	}
}

func examples(all []cluster.Example) []*redrivev1.ClusterExample {
	out := make([]*redrivev1.ClusterExample, len(all))
	for i, e := range all {
		out[i] = ClusterExample(e)
	}
	return out
}
