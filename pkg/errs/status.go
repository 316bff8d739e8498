package errs

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is the domain of every google.rpc.ErrorInfo that Redrive sends.
const Domain = "redrive.io"

var codeOf = map[Kind]codes.Code{
	Internal:           codes.Internal,
	Invalid:            codes.InvalidArgument,
	NotFound:           codes.NotFound,
	AlreadyExists:      codes.AlreadyExists,
	Conflict:           codes.Aborted,
	FailedPrecondition: codes.FailedPrecondition,
	PermissionDenied:   codes.PermissionDenied,
	Unauthenticated:    codes.Unauthenticated,
	Unavailable:        codes.Unavailable,
	Exhausted:          codes.ResourceExhausted,
}

var defaultReason = map[Kind]string{
	Internal:           "INTERNAL",
	Invalid:            "INVALID",
	NotFound:           "NOT_FOUND",
	AlreadyExists:      "ALREADY_EXISTS",
	Conflict:           "CONFLICT",
	FailedPrecondition: "FAILED_PRECONDITION",
	PermissionDenied:   "PERMISSION_DENIED",
	Unauthenticated:    "UNAUTHENTICATED",
	Unavailable:        "UNAVAILABLE",
	Exhausted:          "EXHAUSTED",
}

// ToStatus turns err into a gRPC status with google.rpc details (AIP-193). It
// is called once, by pkg/serve's interceptors. The text of an Internal error is
// for the log and never sent.
func ToStatus(err error) error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case err == nil:
		return nil
	case ok && e.Kind != Internal:
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	default:
		if _, isStatus := status.FromError(err); isStatus {
			return err
		}
		return details(codes.Internal, "internal error", &Error{Kind: Internal})
	}
	return details(codeOf[e.Kind], err.Error(), e)
}

func details(code codes.Code, text string, e *Error) error {
	info := &errdetails.ErrorInfo{Reason: e.Reason, Domain: Domain}
	if info.Reason == "" {
		info.Reason = defaultReason[e.Kind]
	}
	all := []protoadapt.MessageV1{info}
	if len(e.Violations) > 0 {
		bad := &errdetails.BadRequest{}
		for _, v := range e.Violations {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Description})
		}
		all = append(all, bad)
	}
	if e.RetryAfter > 0 {
		all = append(all, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	st, err := status.New(code, text).WithDetails(all...)
	if err != nil {
		return status.Error(code, text)
	}
	return st.Err()
}

// FromStatus gives an error that a gRPC client returned its kind back, so that
// a caller branches on kinds alone.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	kind := Internal
	for k, code := range codeOf {
		if code == st.Code() {
			kind = k
		}
	}
	if st.Code() == codes.DeadlineExceeded || st.Code() == codes.Canceled {
		kind = Unavailable
	}
	e := &Error{Kind: kind, err: errors.New(st.Message())}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			e.Reason = d.GetReason()
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Violations = append(e.Violations, Violation{v.GetField(), v.GetDescription()})
			}
		}
	}
	return e
}
