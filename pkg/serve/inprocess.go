package serve

import (
	"context"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/redrive-io/redrive/pkg/errs"
)

// inProcess is the connection of the services of one process among themselves.
// A unary call to one of them is a call of its handler, with all that happens
// around every call, and without a transport: that would cost more than most of
// these calls. Everything else, such as a stream or a call to a peer, goes over
// the connection in memory.
//
// The handler gets the caller's request, and the caller what is inside of the
// handler's answer, because copies would cost more than the rest of the call.
// Hence two rules: a handler does not change its request, which a build that
// looks for races checks; and what it returned is the caller's, who may find
// parts of the request in it.
type inProcess struct {
	*grpc.ClientConn
	around  grpc.UnaryServerInterceptor
	methods map[string]localMethod // by full name; complete before the first call
	closed  atomic.Bool
}

// localMethod is a handler and the service that it belongs to.
type localMethod struct {
	service any
	handle  grpc.MethodHandler
}

// register adds the unary methods of a service.
func (l *inProcess) register(desc *grpc.ServiceDesc, service any) {
	for _, m := range desc.Methods {
		l.methods["/"+desc.ServiceName+"/"+m.MethodName] = localMethod{service, m.Handler}
	}
}

// Invoke implements grpc.ClientConnInterface.
func (l *inProcess) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	m, here := l.methods[method]
	in, ok := args.(proto.Message)
	out, ok2 := reply.(proto.Message)
	if !here || !ok || !ok2 || slices.ContainsFunc(opts, matters) {
		return l.ClientConn.Invoke(ctx, method, args, reply, opts...)
	}
	return unaryClient(ctx, method, args, reply, l.ClientConn, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		return l.call(ctx, method, m, in, out)
	})
}

// matters is false for the option that generated code always gives, which is
// about metrics of a transport.
func matters(o grpc.CallOption) bool {
	_, static := o.(grpc.StaticMethodCallOption)
	return !static
}

// call runs a handler and returns what it would have sent: a status.
func (l *inProcess) call(ctx context.Context, method string, m localMethod, in, out proto.Message) error {
	if l.closed.Load() {
		return errs.ToStatus(errs.New(errs.Unavailable, "the server of this process has stopped"))
	}
	if err := ctx.Err(); err != nil {
		return errs.ToStatus(err)
	}
	sent, _ := metadata.FromOutgoingContext(ctx)
	values := grpc.NewContextWithServerTransportStream(metadata.NewIncomingContext(context.Background(), sent), localStream(method))
	defer unchanged(method, in)()
	// Generated code decodes into a request of its own, and hands on what comes
	// from around: the request itself.
	around := func(ctx context.Context, _ any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		return l.around(ctx, in, info, next)
	}
	answer, err := m.handle(m.service, callee{ctx, values}, func(any) error { return nil }, around)
	if err != nil {
		return err
	}
	share(out, answer.(proto.Message)) //nolint:forcetypeassert // generated code asks for no other
	return nil
}

// share sets the fields of one message to those of another, with what they
// point to.
func share(to, from proto.Message) {
	target, source := to.ProtoReflect(), from.ProtoReflect()
	source.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		target.Set(field, value)
		return true
	})
	if unknown := source.GetUnknown(); len(unknown) > 0 {
		target.SetUnknown(unknown)
	}
}

// callee is the context of a called handler: it ends with the caller's, and
// knows nothing else of it, as if the call had come over a wire.
type callee struct {
	context.Context                 //nolint:containedctx // a context made of two others
	values          context.Context //nolint:containedctx // as above
}

// Value implements context.Context.
func (c callee) Value(key any) any { return c.values.Value(key) }

// AfterFunc spares package context a goroutine for the context that is made of
// this one.
func (c callee) AfterFunc(f func()) func() bool { return context.AfterFunc(c.Context, f) }

// localStream takes the headers that a handler sets, which nobody reads: who
// wants them calls with an option, over the connection in memory.
type localStream string

func (s localStream) Method() string             { return string(s) }
func (localStream) SetHeader(metadata.MD) error  { return nil }
func (localStream) SendHeader(metadata.MD) error { return nil }
func (localStream) SetTrailer(metadata.MD) error { return nil }
