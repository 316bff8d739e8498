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
// Caller and handler share what is inside of their messages, because copies
// would cost more than the rest of the call. Hence two rules, which hold for
// every handler anyway: it does not change its request, which a build that looks
// for races checks; and what it returned is the caller's, who finds parts of the
// request in it.
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
	ctx = metadata.NewIncomingContext(callee{ctx}, sent)
	ctx = grpc.NewContextWithServerTransportStream(ctx, localStream(method))
	defer unchanged(method, in)()
	answer, err := m.handle(m.service, ctx, func(request any) error {
		share(request.(proto.Message), in) //nolint:forcetypeassert // generated code asks for no other
		return nil
	}, l.around)
	if err != nil {
		return err
	}
	share(out, answer.(proto.Message)) //nolint:forcetypeassert // as above
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
type callee struct{ context.Context } //nolint:containedctx // a context made of another

// Value implements context.Context.
func (callee) Value(any) any { return nil }

// AfterFunc spares package context a goroutine for each context made of this one.
func (c callee) AfterFunc(f func()) func() bool { return context.AfterFunc(c.Context, f) }

// localStream takes the headers that a handler sets, which nobody reads: who
// wants them calls with an option, over the connection in memory.
type localStream string

func (s localStream) Method() string             { return string(s) }
func (localStream) SetHeader(metadata.MD) error  { return nil }
func (localStream) SendHeader(metadata.MD) error { return nil }
func (localStream) SetTrailer(metadata.MD) error { return nil }
