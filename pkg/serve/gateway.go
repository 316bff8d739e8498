package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/redrive-io/redrive/pkg/errs"
)

// jsonForm is how messages look over REST: lowerCamel names; zero numbers,
// empty texts and empty lists are written, so that a script may rely on
// "jobs" and "nextPageToken"; messages that are not set are left out.
var jsonForm = strictJSON{runtime.JSONPb{MarshalOptions: protojson.MarshalOptions{EmitDefaultValues: true}}}

// strictJSON refuses fields that a message does not have, and anything after
// the JSON value. A picture it writes as it is.
type strictJSON struct{ runtime.JSONPb }

// Marshal implements runtime.Marshaler. protojson varies its blanks on purpose;
// an answer does not.
func (j *strictJSON) Marshal(v any) ([]byte, error) {
	if p, ok := v.(picture); ok {
		return []byte(p.GetSvg()), nil
	}
	b, err := j.JSONPb.Marshal(v)
	if err != nil {
		return nil, err
	}
	return compact(b), nil
}

func compact(b []byte) []byte {
	var plain bytes.Buffer
	if err := json.Compact(&plain, b); err != nil {
		return b // it is JSON all the same, says its encoder
	}
	return plain.Bytes()
}

// NewDecoder implements runtime.Marshaler. The bodies are bounded before they
// come here.
func (j *strictJSON) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if len(b) == 0 {
			return io.EOF // no body at all: every field is unset
		}
		if !json.Valid(b) {
			return errors.New("the body is not one JSON value")
		}
		return j.Unmarshal(b, v)
	})
}

// newGateway returns the REST routes.
func (s *Server) newGateway(ctx context.Context) (http.Handler, error) {
	strictQueries()
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &jsonForm),
		runtime.WithForwardResponseOption(allowStyle),
		runtime.WithErrorHandler(restError),
		runtime.WithRoutingErrorHandler(routingError),
		runtime.WithIncomingHeaderMatcher(func(key string) (string, bool) {
			name := strings.ToLower(key)
			return name, name == requestIDHeader || name == traceHeader
		}),
		runtime.WithOutgoingHeaderMatcher(func(key string) (string, bool) {
			return "X-Request-Id", key == requestIDHeader
		}),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithDisablePathLengthFallback(),
	)
	for _, register := range s.o.REST {
		if err := register(ctx, mux, s.gatewayConn); err != nil {
			return nil, err
		}
	}
	return mux, nil
}

// restError answers a call that failed with its google.rpc.Status as JSON.
func restError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	st := status.Convert(err)
	if st.Code() == codes.InvalidArgument && len(st.Details()) == 0 {
		st = status.Convert(errs.ToStatus(malformed(st.Message())))
	}
	writeStatus(w, runtime.HTTPStatusFromCode(st.Code()), st)
}

// routingError answers a request that is for no call at all.
func routingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	err := errs.Because("NO_SUCH_ROUTE", errs.New(errs.NotFound, "there is no %s %s; /openapi.json lists what there is", r.Method, r.URL.Path))
	writeStatus(w, code, status.Convert(errs.ToStatus(err)))
}

// protojson and the query parser name the field in their text alone.
var unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)

// malformed gives what the gateway itself says of a request a reason and, where
// it can, a field.
func malformed(text string) error {
	if m := unknownField.FindStringSubmatch(text); m != nil {
		return errs.Field(m[1], "this request has no such field")
	}
	text = strings.ReplaceAll(text, "\u00a0", " ") // protojson varies its spaces
	return errs.Because("MALFORMED_REQUEST", errs.New(errs.Invalid, "%s", strings.TrimPrefix(text, "proto: ")))
}

// writeStatus writes st as the body of an answer.
func writeStatus(w http.ResponseWriter, code int, st *status.Status) {
	h := w.Header()
	if e, ok := errors.AsType[*errs.Error](errs.FromStatus(st.Err())); ok && e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if st.Code() == codes.Unauthenticated {
		h.Set("WWW-Authenticate", `Bearer realm="redrive"`)
	}
	body, err := protojson.Marshal(st.Proto())
	if err != nil {
		body = fmt.Appendf(nil, `{"code":%d}`, st.Code())
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(compact(body)) // nothing can be done for a client that is gone
}

// strictQueries makes the gateway refuse query parameters that a request does
// not have; it keeps its parser in a global variable.
var strictQueries = sync.OnceFunc(func() {
	runtime.NewServeMux(runtime.SetQueryParameterParser(strictQuery{}))
})

type strictQuery struct{ runtime.DefaultQueryParser }

// Parse implements runtime.QueryParameterParser.
func (q strictQuery) Parse(m proto.Message, values url.Values, filter *utilities.DoubleArray) error {
	for key := range values {
		path, _, _ := strings.Cut(key, "[")
		f := fieldAt(m.ProtoReflect().Descriptor(), strings.Split(path, "."))
		if f == nil {
			return fmt.Errorf("unknown field %q in the query", key)
		}
		for _, value := range values[key] {
			if err := checkEnum(f, key, value); err != nil {
				return err
			}
		}
	}
	return q.DefaultQueryParser.Parse(m, values, filter)
}

// checkEnum refuses a value that the enum of f does not have, and names those
// that it has; the query parser does not.
func checkEnum(f protoreflect.FieldDescriptor, key, value string) error {
	if f.Enum() == nil {
		return nil
	}
	values := f.Enum().Values()
	if n, err := strconv.ParseInt(value, 10, 32); err == nil && values.ByNumber(protoreflect.EnumNumber(n)) != nil {
		return nil
	}
	names := make([]string, values.Len())
	for i := range names {
		if names[i] = string(values.Get(i).Name()); names[i] == value {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is none of %s", key, value, strings.Join(names, ", "))
}

// fieldAt returns the field at path, nil where there is none.
func fieldAt(d protoreflect.MessageDescriptor, path []string) (f protoreflect.FieldDescriptor) {
	for _, name := range path {
		if d == nil {
			return nil
		}
		if f = d.Fields().ByTextName(name); f == nil {
			f = d.Fields().ByJSONName(name)
		}
		if f == nil {
			return nil
		}
		d = f.Message()
	}
	return f
}
