package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc/status"

	"github.com/redrive-io/redrive/pkg/errs"
)

const (
	headerTimeout  = 10 * time.Second
	bodyTimeout    = 30 * time.Second
	writeTimeout   = 30 * time.Second // of each write, so that streams may last
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10
)

func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// routes is everything that HTTP serves. Only the probes are open: whoever runs
// the process must be able to see that it lives, and they tell nothing else.
// Metrics say what fails how often, so they need the token like all the rest
// (Prometheus has "authorization: {credentials_file: …}" for it).
func (s *Server) routes(ctx context.Context) (http.Handler, error) {
	gateway, err := s.newGateway(ctx)
	if err != nil {
		return nil, err
	}
	closed := http.NewServeMux()
	closed.Handle("GET /metrics", promhttp.HandlerFor(s.o.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	closed.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.o.OpenAPI)
	})
	closed.Handle("/", s.jsonBody(gateway))

	open := http.NewServeMux()
	open.HandleFunc("GET /healthz", s.healthz)
	open.HandleFunc("GET /readyz", s.readyz)
	open.Handle("/", s.authenticated(closed))
	return s.guarded(open), nil
}

// refuse answers a request that does not become a call.
func (s *Server) refuse(w http.ResponseWriter, code int, reason string, err error) {
	s.metrics.refusals.WithLabelValues(reason).Inc()
	s.log.Info("an HTTP request was refused", "reason", reason, "code", code)
	writeStatus(w, code, status.Convert(errs.ToStatus(errs.Because(reason, err))))
}

// guarded refuses what a web page that a person of this machine looks at could
// send: a foreign Host (its name was bound to our address) or a foreign Origin.
// There is no CORS.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(raw http.ResponseWriter, r *http.Request) {
		w := &pacedWriter{raw, http.NewResponseController(raw)}
		defer w.pace() // for what is written after the handler returned
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if !s.hostAllowed(r) {
			s.refuse(w, http.StatusForbidden, "HOST_NOT_ALLOWED", errs.New(errs.PermissionDenied,
				"this server does not answer to the host %q; --allow-host adds a name", r.Host))
			return
		}
		if !s.certified(r) {
			s.refuse(w, http.StatusForbidden, "CERTIFICATE_MISSING", errs.New(errs.PermissionDenied,
				"this server asks its callers for a certificate of the authorities of --tls-client-ca"))
			return
		}
		if !originAllowed(r) {
			s.refuse(w, http.StatusForbidden, "ORIGIN_NOT_ALLOWED", errs.New(errs.PermissionDenied,
				"requests of pages of another origin are refused"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostAllowed accepts loopback, the names that the operator listed, and the
// very address that the connection came in at: an address cannot be rebound.
func (s *Server) hostAllowed(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if IsLoopback(host) || slices.ContainsFunc(s.o.AllowHosts, func(a string) bool { return strings.EqualFold(a, host) }) {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if err != nil || !ok {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap() == ip.Unmap()
}

// certified reports whether the caller has the certificate that this server asks
// for. The probes come without.
func (s *Server) certified(r *http.Request) bool {
	if s.o.TLS == nil || s.o.TLS.ClientAuth != tls.RequireAndVerifyClientCert || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return true
	}
	return r.TLS != nil && len(r.TLS.VerifiedChains) > 0
}

func originAllowed(r *http.Request) bool {
	all := r.Header.Values("Origin")
	if len(all) == 0 {
		return true
	}
	u, err := url.Parse(all[0])
	return err == nil && len(all) == 1 && (u.Scheme == "http" || u.Scheme == "https") && strings.EqualFold(u.Host, r.Host)
}

// authenticated refuses before anything is read of the body.
func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch header := r.Header.Values("Authorization"); {
		case len(header) != 1:
			s.refuse(w, http.StatusUnauthorized, "TOKEN_MISSING", errNoToken)
		case !bearer(header[0], s.o.Token):
			s.refuse(w, http.StatusUnauthorized, "TOKEN_WRONG", errWrongToken)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// jsonBody reads the body, bounded in size and time, and refuses one that is
// not said to be JSON: a form of a foreign page cannot say so.
func (s *Server) jsonBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // every real connection can
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequestBytes))
		_ = rc.SetReadDeadline(time.Time{})
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			s.refuse(w, http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE", errs.New(errs.Invalid, "a body may have %d bytes at most", MaxRequestBytes))
			return
		}
		if err != nil {
			s.refuse(w, http.StatusBadRequest, "BODY_UNREADABLE", errs.New(errs.Invalid, "the body could not be read: %w", err))
			return
		}
		if len(body) > 0 && !isJSON(r.Header.Get("Content-Type")) {
			s.refuse(w, http.StatusUnsupportedMediaType, "CONTENT_TYPE_NOT_JSON", errs.New(errs.Invalid, `a body needs the header "Content-Type: application/json"`))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func isJSON(contentType string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	charset, has := params["charset"]
	return err == nil && kind == "application/json" && (!has || strings.EqualFold(charset, "utf-8"))
}

// pacedWriter bounds each write by writeTimeout, so that a reader that went to
// sleep holds nothing for ever, and a stream may last as long as it must.
type pacedWriter struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (p *pacedWriter) pace() {
	_ = p.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // every real connection can
}

// Write implements io.Writer.
func (p *pacedWriter) Write(b []byte) (int, error) {
	p.pace()
	return p.ResponseWriter.Write(b)
}

// Flush implements http.Flusher, which the gateway's streams ask for.
func (p *pacedWriter) Flush() {
	p.pace()
	_ = p.rc.Flush() // the next write tells
}

// Unwrap lets http.ResponseController find the real writer.
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
