// Package wellknown turns times and durations into protobuf's well-known types
// and back, with zero for absent.
package wellknown

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Timestamp writes a time; the zero time is nil.
func Timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// Time reads a timestamp; nil, and one that is no time, such as one after the
// year 9999, is the zero time and not the year 1970.
func Time(p *timestamppb.Timestamp) time.Time {
	if !p.IsValid() {
		return time.Time{}
	}
	return p.AsTime()
}

// Duration writes a duration; 0 is nil. AsDuration reads nil as 0 already.
func Duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
