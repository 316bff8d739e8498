package serve

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/trace"
)

// proxied is a call that a Peer serves.
type proxied struct {
	peer *Peer
	// label names the method in metrics: callers choose the real name.
	label string
	// streams is true unless the method is known to be answered by one message.
	streams bool
}

// otherMethod is a label; see proxied.
const otherMethod = "other"

// findProxied returns who serves a method ("/redrive.v1.X/Y") that is not
// registered here; the peer is nil when nobody does.
func (s *Server) findProxied(method string) proxied {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	p := proxied{peer: s.peers[service], label: otherMethod, streams: true}
	if p.peer == nil {
		return p
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if known, ok := d.(protoreflect.ServiceDescriptor); err == nil && ok {
		if m := known.Methods().ByName(protoreflect.Name(name)); m != nil {
			p.label, p.streams = method, m.IsStreamingServer() || m.IsStreamingClient()
		}
	}
	return p
}

// proxy hands a call that no service of this process serves to the peer that
// does: messages, metadata, the deadline, and the status with its details.
// Messages are not understood, only their form is: fields that this program does
// not know pass as well.
func (s *Server) proxy(_ any, in grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(in)
	p := s.findProxied(method)
	if p.peer == nil {
		return status.Errorf(codes.Unimplemented, "this process does not serve %s: ask one that does, or a gateway", method)
	}
	ctx, cancel := context.WithCancel(outgoing(in.Context()))
	defer cancel()
	out, err := p.peer.cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return p.peer.ended(in.Context(), err)
	}
	asked := make(chan error, 1)
	go func() {
		err := askOn(in, out)
		if err != nil {
			cancel() // so that the answer ends, too
		}
		asked <- err
	}()
	err = answerOn(out, in)
	in.SetTrailer(out.Trailer())
	if status.Code(err) == codes.Canceled {
		select {
		case broken := <-asked:
			if broken != nil {
				err = broken
			}
		default:
		}
	}
	return p.peer.ended(in.Context(), err)
}

// askOn copies what the caller sends. Its error is the caller's.
func askOn(in grpc.ServerStream, out grpc.ClientStream) error {
	for {
		m := &emptypb.Empty{}
		if err := in.RecvMsg(m); err != nil {
			if errors.Is(err, io.EOF) {
				return out.CloseSend()
			}
			return err
		}
		if err := out.SendMsg(m); err != nil {
			return nil //nolint:nilerr // the answer says why
		}
	}
}

// answerOn copies what the peer answers.
func answerOn(out grpc.ClientStream, in grpc.ServerStream) error {
	header, err := out.Header()
	if err != nil {
		return err
	}
	header = header.Copy()
	header.Delete(requestIDHeader) // the interceptor has set it
	header.Delete("content-type")
	if err := in.SetHeader(header); err != nil {
		return err
	}
	for {
		m := &emptypb.Empty{}
		if err := out.RecvMsg(m); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := in.SendMsg(m); err != nil {
			return err
		}
	}
}

// ended says why a call that was handed on ended: the caller's own context comes
// first. What the peer itself answers has details; without, nobody answered.
func (p *Peer) ended(ctx context.Context, err error) error {
	st := status.Convert(err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case st.Code() == codes.Unavailable && len(st.Details()) == 0:
		return errs.Because("PEER_UNAVAILABLE", errs.Again(time.Second, "no replica of %s at %s can be used: %s", p.Service(), p.Addrs(), st.Message()))
	default:
		return err
	}
}

type proxiedKey struct{}

// isProxied reports whether a call is handed on for an operator.
func isProxied(ctx context.Context) bool { return ctx.Value(proxiedKey{}) != nil }

// outgoing returns the context of the call to the peer, with the caller's
// metadata. What belongs to one hop stays here: the token is presented anew.
func outgoing(ctx context.Context) context.Context {
	in, _ := metadata.FromIncomingContext(ctx)
	out := metadata.MD{}
	for key, values := range in {
		switch {
		case strings.HasPrefix(key, ":"), strings.HasPrefix(key, "grpc-"):
		case key == "authorization", key == "content-type", key == "user-agent", key == "te", key == "connection", key == requestIDHeader, key == peerHeader:
		default:
			out[key] = values
		}
	}
	if trace.Parent(ctx) != "" {
		delete(out, traceHeader) // this call's own span takes the caller's place
	}
	ctx = context.WithValue(ctx, proxiedKey{}, true)
	return withTrace(withRequestID(metadata.NewOutgoingContext(ctx, out)))
}
