package wire

import (
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

func shapesFromProto(all []*redrivev1.ClusterShape) (shapes []failure.Shape) {
	for _, p := range all {
		shapes = append(shapes, failure.ShapeFromProto(p))
	}
	return shapes
}

func failedFromProto(all []*redrivev1.FailedShape) (failed []search.FailedOn) {
	for _, p := range all {
		failed = append(failed, search.FailedOn{Shape: failure.ShapeFromProto(p.GetShape()), Seconds: p.GetSeconds(), TimedOut: p.GetTimedOut()})
	}
	return failed
}

// clusters writes what a search for a cluster saw.
func clusters(c *advice.Clusters) *redrivev1.ShapeKnowledge {
	if c == nil {
		return nil
	}
	p := &redrivev1.ShapeKnowledge{InterruptionsPerHour: c.Interruptions}
	for _, of := range c.Curves {
		p.Curves = append(p.Curves, &redrivev1.ShapeCurve{
			Type: of.Type.Proto(), Serial: of.Terms[0], Shared: of.Terms[1], Memory: of.Terms[2], Coordination: of.Terms[3], Runs: int32(of.Runs),
		})
	}
	for _, s := range c.Held {
		p.Held = append(p.Held, s.Proto())
	}
	return p
}

func clustersFromProto(p *redrivev1.ShapeKnowledge) *advice.Clusters {
	if p == nil {
		return nil
	}
	c := &advice.Clusters{Interruptions: p.GetInterruptionsPerHour(), Held: shapesFromProto(p.GetHeld())}
	for _, of := range p.GetCurves() {
		c.Curves = append(c.Curves, advice.Curve{
			Type: failure.TypeFromProto(of.GetType()), Runs: int(of.GetRuns()),
			Terms: [4]float64{of.GetSerial(), of.GetShared(), of.GetMemory(), of.GetCoordination()},
		})
	}
	return c
}
