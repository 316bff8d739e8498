package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// code names the mathematics: another one gives other answers to the same
// inputs.
const code = "need-6"

func modelVersion(rec advice.Record) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", rec.Settings))
	return code + "+" + rec.Model + "+" + hex.EncodeToString(sum[:4])
}

func settings(s search.Settings) *redrivev1.RecommenderSettings {
	p := &redrivev1.RecommenderSettings{
		Weight: s.Weight, DollarsPerGibHour: s.PerGiBHour, DollarsPerCoreHour: s.PerCoreHour, NotFeasibleAbove: s.NotFeasible,
		MinObservations: int32(s.MinObservations), MaxMemoryBytes: s.MaxMemory, MaxCores: s.MaxCores, MinBilledSeconds: s.MinSeconds,
		MemoryStepBytes: s.Step, AllowedMemoryBytes: s.Allowed, Exploration: s.Exploration,
	}
	for _, n := range s.Nodes {
		p.Nodes = append(p.Nodes, &redrivev1.NodeShape{Name: n.Name, MemoryBytes: n.Memory, Cores: n.Cores})
	}
	return p
}

func settingsFromProto(p *redrivev1.RecommenderSettings) search.Settings {
	s := search.Settings{
		Weight: p.GetWeight(), PerGiBHour: p.GetDollarsPerGibHour(), PerCoreHour: p.GetDollarsPerCoreHour(), NotFeasible: p.GetNotFeasibleAbove(),
		MinObservations: int(p.GetMinObservations()), MaxMemory: p.GetMaxMemoryBytes(), MaxCores: p.GetMaxCores(), MinSeconds: p.GetMinBilledSeconds(),
		Step: p.GetMemoryStepBytes(), Allowed: p.GetAllowedMemoryBytes(), Exploration: p.GetExploration(),
	}
	for _, n := range p.GetNodes() {
		s.Nodes = append(s.Nodes, search.Node{Name: n.GetName(), Memory: n.GetMemoryBytes(), Cores: n.GetCores()})
	}
	return s
}
