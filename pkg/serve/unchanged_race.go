//go:build race

package serve

import "google.golang.org/protobuf/proto"

// unchanged returns what panics when the request has changed meanwhile.
func unchanged(method string, request proto.Message) func() {
	before := proto.Clone(request)
	return func() {
		if !proto.Equal(before, request) {
			panic("the handler of " + method + " changed its request")
		}
	}
}
