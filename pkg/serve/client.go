package serve

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Dial returns a connection to the gRPC server at addr (host:port) that
// presents the token. Errors that it returns have their kind (errs.FromStatus).
// It does not wait for the server. tls is nil for a plain connection.
func Dial(addr, token string, tls credentials.TransportCredentials) (*grpc.ClientConn, error) {
	if tls == nil {
		tls = insecure.NewCredentials()
	}
	opts := append(clientInterceptors(),
		grpc.WithTransportCredentials(tls),
		grpc.WithPerRPCCredentials(bearerCredentials(token)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxResponseBytes), grpc.MaxCallSendMsgSize(MaxRequestBytes)))
	conn, err := grpc.NewClient("dns:///"+addr, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return conn, nil
}

type bearerCredentials string

func (b bearerCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity is false because loopback is the default; whoever
// dials farther without TLS chose so.
func (b bearerCredentials) RequireTransportSecurity() bool { return false }

func pipeConn(pipe *bufconn.Listener, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///in-memory", append(opts,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxResponseBytes)))...)
}

// clientInterceptors hand the request id and the trace on and give errors their kind back.
func clientInterceptors() []grpc.DialOption {
	stream := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		cs, err := open(withTrace(withRequestID(ctx)), desc, cc, method, opts...)
		if err != nil {
			return nil, errs.FromStatus(err)
		}
		return kindStream{cs}, nil
	}
	return []grpc.DialOption{grpc.WithUnaryInterceptor(unaryClient), grpc.WithStreamInterceptor(stream)}
}

func unaryClient(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, span := clientSpan(withRequestID(ctx), method)
	err := errs.FromStatus(invoke(ctx, method, req, reply, cc, opts...))
	span.End(err)
	return err
}

func withRequestID(ctx context.Context) context.Context {
	if id := RequestID(ctx); id != "" {
		return metadata.AppendToOutgoingContext(ctx, requestIDHeader, id)
	}
	return ctx
}

type kindStream struct{ grpc.ClientStream }

func (k kindStream) RecvMsg(m any) error { return errs.FromStatus(k.ClientStream.RecvMsg(m)) }
