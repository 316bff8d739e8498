package search

import (
	"cmp"
	"math"

	"github.com/redrive-io/redrive/pkg/engine"
)

// rate says what an hour costs, for all executors, by the bytes of one of them.
type rate struct {
	perByte, cores float64 // US dollars
	nodes          []share // where what runs must fit into nodes
	instances      float64
}

// share is what an hour on one kind of node costs: a container takes the larger
// of its shares of memory and cores, since what it leaves of the other is of use
// to nobody.
type share struct {
	memory         int64 // bytes of the node
	perByte, cores float64
}

// rate returns what an hour costs in one way.
func (in *Inputs) rate(way engine.Size) rate {
	s := &in.Settings
	cores := cmp.Or(way.Cores, 1)
	r := rate{perByte: s.PerGiBHour / (1 << 30), cores: cores * s.PerCoreHour, instances: cmp.Or(way.Instances, 1)}
	if in.First {
		r.cores = 0
	}
	for _, n := range s.Nodes {
		if !n.has(cores) {
			continue
		}
		all := float64(n.Memory)*r.perByte + n.Cores*s.PerCoreHour
		fit := share{memory: n.Memory, perByte: all / float64(n.Memory), cores: all / n.Cores * cores}
		if in.First {
			fit.perByte, fit.cores = r.perByte, 0
		}
		r.nodes = append(r.nodes, fit)
	}
	if len(s.Nodes) > 0 && len(r.nodes) == 0 {
		r.nodes = []share{{}} // into which nothing fits
	}
	return r
}

// hour returns what an hour costs with a total of memory; infinitely much where
// it fits no node.
func (r *rate) hour(total int64) float64 {
	if len(r.nodes) == 0 {
		return r.instances * (float64(total)*r.perByte + r.cores)
	}
	least := math.Inf(1)
	for _, n := range r.nodes {
		if total <= n.memory {
			least = min(least, max(float64(total)*n.perByte, n.cores))
		}
	}
	return r.instances * least
}

// beyond returns the same, and where it fits no node what memory and cores cost
// by themselves: what may not be had has a price all the same.
func (r *rate) beyond(total int64) float64 {
	if hour := r.hour(total); !math.IsInf(hour, 1) {
		return hour
	}
	return r.instances * (float64(total)*r.perByte + r.cores)
}

// hours returns what is billed.
func (in *Inputs) hours(seconds float64) float64 {
	return max(seconds, in.Settings.MinSeconds) / 3600
}
