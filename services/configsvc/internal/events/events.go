// Package events says what happened to patches.
package events

import (
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/wire"
)

// Source is the source of the events of this service.
const Source = "redrive/configsvc"

// Changed returns the event patch.changed about p as it is from now on. Its id
// is the patch's and its revision, so each change is told once.
func Changed(p patch.Patch, now time.Time) (bus.Event, error) {
	payload, err := wire.Patch(p)
	if err != nil {
		return bus.Event{}, err
	}
	id := fmt.Sprintf("%s.%d", p.ID, p.Revision)
	return bus.NewEvent(bus.PatchChanged, id, Source, p.Scope.Job, now, &redrivev1.PatchChanged{Patch: payload})
}
