package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
)

// ModelName returns the name that a content gives its model: 16 hexadecimal
// digits of the SHA-256 of its encoding. The same content has the same name; the
// one of no records is the built-in one.
func ModelName(c model.Content) (string, error) {
	if c.Records == 0 {
		return model.BuiltinName, nil
	}
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(ModelContent(c))
	if err != nil {
		return "", fmt.Errorf("encode a model: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// ModelContent writes what a model knows.
func ModelContent(c model.Content) *redrivev1.ModelContent {
	p := &redrivev1.ModelContent{
		Version: int32(c.Version), Until: wellknown.Timestamp(c.Until), Records: c.Records, FailedShareSum: c.Failing.Sum,
		FailedShareCount: c.Failing.Count, Interruptions: c.Spot.Count, SpotHours: c.Spot.Hours,
	}
	for _, r := range c.Retries {
		p.Retries = append(p.Retries, &redrivev1.RetryCount{Class: r.Class, Key: r.Key, Failed: r.Failed, Succeeded: r.Succeeded})
	}
	for _, e := range c.Curves {
		p.Shapes = append(p.Shapes, &redrivev1.EngineShape{
			Engine: e.Engine, Serial: e.Terms[0], Shared: e.Terms[1], Memory: e.Terms[2], Coordination: e.Terms[3], Types: int32(e.Types),
		})
	}
	for _, b := range c.Bins {
		p.Calibration = append(p.Calibration, &redrivev1.CalibrationSum{
			Bin: int32(b.Index), Predicted: b.Predicted, Observed: b.Observed, Count: b.Count,
		})
	}
	for _, h := range c.Features {
		f := &redrivev1.FeatureHistogram{Feature: h.Name}
		for _, b := range h.Buckets {
			f.Buckets, f.Counts = append(f.Buckets, int32(b.Index)), append(f.Counts, b.Count)
		}
		p.Features = append(p.Features, f)
	}
	return p
}

// ModelContentFromProto reads what a model knows.
func ModelContentFromProto(p *redrivev1.ModelContent) model.Content {
	c := model.Content{
		Version: int(p.GetVersion()), Until: wellknown.Time(p.GetUntil()), Records: p.GetRecords(),
		Failing: model.Sum{Sum: p.GetFailedShareSum(), Count: p.GetFailedShareCount()},
		Spot:    model.Interruptions{Count: p.GetInterruptions(), Hours: p.GetSpotHours()},
	}
	for _, r := range p.GetRetries() {
		c.Retries = append(c.Retries, model.Retries{Class: r.GetClass(), Key: r.GetKey(), Failed: r.GetFailed(), Succeeded: r.GetSucceeded()})
	}
	for _, e := range p.GetShapes() {
		c.Curves = append(c.Curves, model.Curve{
			Engine: e.GetEngine(), Terms: [4]float64{e.GetSerial(), e.GetShared(), e.GetMemory(), e.GetCoordination()}, Types: int(e.GetTypes()),
		})
	}
	for _, b := range p.GetCalibration() {
		c.Bins = append(c.Bins, model.Bin{Index: int(b.GetBin()), Predicted: b.GetPredicted(), Observed: b.GetObserved(), Count: b.GetCount()})
	}
	for _, f := range p.GetFeatures() {
		h := model.Histogram{Name: f.GetFeature()}
		for i, n := range f.GetCounts()[:min(len(f.GetCounts()), len(f.GetBuckets()))] {
			h.Buckets = append(h.Buckets, model.Bucket{Index: int(f.GetBuckets()[i]), Count: n})
		}
		c.Features = append(c.Features, h)
	}
	return c
}
