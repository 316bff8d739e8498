package serve

import (
	"context"
	"net/http"

	"google.golang.org/protobuf/proto"
)

// picture is a message that is a picture: over REST it is the SVG itself, so
// that a browser and an <img> show it.
type picture interface{ GetSvg() string }

const svgType = "image/svg+xml"

// pictureRules are what a picture may do in a browser: have its own style sheet,
// for dark backgrounds, and nothing else.
const pictureRules = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

// allowStyle lets a browser take up the style sheet within a picture.
func allowStyle(_ context.Context, w http.ResponseWriter, m proto.Message) error {
	if _, ok := m.(picture); ok {
		w.Header().Set("Content-Security-Policy", pictureRules)
	}
	return nil
}

// ContentType implements runtime.Marshaler.
func (j *strictJSON) ContentType(v any) string {
	if _, ok := v.(picture); ok {
		return svgType
	}
	return j.JSONPb.ContentType(v)
}
