package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // clients ask for the health of each replica
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/redrive-io/redrive/pkg/errs"
)

const (
	// A replica that vanished without a word is noticed after their sum.
	peerKeepalive, peerKeepaliveTimeout = 10 * time.Second, 3 * time.Second
	// peerBackoff bounds the wait between two tries to reach a replica.
	peerBackoff = 3 * time.Second
)

// PeerOptions say where the replicas of a service are.
type PeerOptions struct {
	// Service is the full name of the gRPC service, such as
	// "redrive.v1.ConfigService"; replicas that do not say that it serves get
	// no calls.
	Service string
	// Addrs are HOST:PORT. All addresses of a name are replicas; the names are
	// looked up again all the time.
	Addrs []string
	// Token is presented with every call.
	Token string
	// TLS is nil for plain connections.
	TLS *tls.Config
}

// Peer is the replicas of one service in other processes. Calls go to those
// that are healthy, one after the other.
type Peer struct {
	o  PeerOptions
	cc *grpc.ClientConn
}

// DialPeer returns the peer; it does not wait for it.
func DialPeer(o PeerOptions) (*Peer, error) {
	for _, addr := range o.Addrs {
		if err := CheckPeerAddr(addr); err != nil {
			return nil, err
		}
	}
	secure := insecure.NewCredentials()
	if o.TLS != nil {
		secure = credentials.NewTLS(o.TLS)
	}
	cc, err := grpc.NewClient(peerScheme+":///"+o.Service,
		grpc.WithResolvers(&peerBuilder{o.Addrs}),
		grpc.WithDefaultServiceConfig(fmt.Sprintf(
			`{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":%q}}`, o.Service)),
		grpc.WithConnectParams(peerConnect()),
		grpc.WithIdleTimeout(0), // so that its state is known all the time
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: peerKeepalive, Timeout: peerKeepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithTransportCredentials(secure),
		grpc.WithPerRPCCredentials(peerCredentials{bearerCredentials(o.Token)}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxResponseBytes), grpc.MaxCallSendMsgSize(MaxResponseBytes)))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", o.Service, err)
	}
	cc.Connect()
	return &Peer{o, cc}, nil
}

// CheckPeerAddr is errs.Invalid for what is not HOST:PORT.
func CheckPeerAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || port == "" {
		return errs.New(errs.Invalid, "%q is not HOST:PORT, such as configsvc:8470", addr)
	}
	return nil
}

// Service is the full name of the gRPC service.
func (p *Peer) Service() string { return p.o.Service }

// Addrs is where the replicas are, for messages.
func (p *Peer) Addrs() string { return strings.Join(p.o.Addrs, ",") }

// Ready is nil when a replica serves, and else errs.Unavailable and says why
// none does.
func (p *Peer) Ready(ctx context.Context) error {
	answer, err := healthpb.NewHealthClient(p.cc).Check(ctx, &healthpb.HealthCheckRequest{Service: p.o.Service})
	switch {
	case err != nil:
		return errs.New(errs.Unavailable, "no replica at %s can be used: %s", p.Addrs(), status.Convert(err).Message())
	case answer.GetStatus() != healthpb.HealthCheckResponse_SERVING:
		return errs.New(errs.Unavailable, "the replica asked at %s is %s", p.Addrs(), answer.GetStatus())
	}
	return nil
}

// Close ends the connections.
func (p *Peer) Close() error { return p.cc.Close() }

// Conn is for the services of this process. A call on it waits for a healthy
// replica until its deadline, DefaultDeadline when it has none, and is
// errs.Unavailable then. Errors that it returns have their kind.
func (p *Peer) Conn() grpc.ClientConnInterface { return patient{p} }

type patient struct{ peer *Peer }

// Invoke implements grpc.ClientConnInterface.
func (c patient) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultDeadline)
		defer cancel()
	}
	ctx, span := clientSpan(withRequestID(ctx), method)
	err := c.kind(c.peer.cc.Invoke(ctx, method, args, reply, append(opts, grpc.WaitForReady(true))...))
	span.End(err)
	return err
}

// NewStream implements grpc.ClientConnInterface.
func (c patient) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	cs, err := c.peer.cc.NewStream(withTrace(withRequestID(ctx)), desc, method, append(opts, grpc.WaitForReady(true))...)
	if err != nil {
		return nil, c.kind(err)
	}
	return kindStream{cs}, nil
}

// kind gives an error its kind back, and says who did not answer.
func (c patient) kind(err error) error {
	switch status.Code(err) {
	case codes.DeadlineExceeded, codes.Unavailable:
		e := errs.FromStatus(err)
		return errs.Again(retryAfterOf(e), "%s at %s: %w", c.peer.o.Service, c.peer.Addrs(), e)
	default:
		return errs.FromStatus(err)
	}
}

func retryAfterOf(err error) time.Duration {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// peerHeader says that a caller with the token is a service of Redrive.
const peerHeader = "x-redrive-peer"

type peerCredentials struct{ bearerCredentials }

func (p peerCredentials) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	md, err := p.bearerCredentials.GetRequestMetadata(ctx, uri...)
	if err == nil && !isProxied(ctx) {
		md[peerHeader] = "1"
	}
	return md, err
}
