package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// maxInput bounds a file that a command reads: more would not fit a request.
const maxInput = serve.MaxRequestBytes

// open opens a file, or stdin for "-".
func (a *app) open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError{err}
	}
	return f, nil
}

// readFile returns the content of a file, or of stdin for "-".
func (a *app) readFile(name string) ([]byte, error) {
	in, err := a.open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(b) > maxInput {
		return nil, usagef("%s has more than %d MiB", name, maxInput>>20)
	}
	return b, nil
}

// readText returns the content of a file as valid UTF-8, which a request needs.
func (a *app) readText(name string) (string, error) {
	b, err := a.readFile(name)
	return strings.ToValidUTF8(string(b), "\ufffd"), err
}

// readMessage reads YAML or JSON into m. Fields that m does not have are an
// error that names them.
func (a *app) readMessage(name string, m proto.Message) error {
	b, err := a.readFile(name)
	if err != nil {
		return err
	}
	if err := decodeMessage(b, m); err != nil {
		return errs.New(errs.Invalid, "%s: %w", name, err)
	}
	return nil
}

// decodeMessage reads one YAML document (JSON is YAML, too) into m.
func decodeMessage(b []byte, m proto.Message) error {
	var doc any
	d := yaml.NewDecoder(strings.NewReader(string(b)))
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("the file is empty")
		}
		return err
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("the file has more than one document")
	}
	j, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("a key is not a text, or a value has no JSON form: %w", err)
	}
	if err := protojson.Unmarshal(j, m); err != nil {
		return plainProtoError(err)
	}
	return nil
}

// plainProtoError takes out of protojson's text what only programmers read: its
// name, and a position in JSON that nobody wrote.
func plainProtoError(err error) error {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	text = strings.TrimSpace(strings.TrimPrefix(text, "proto:"))
	if strings.HasPrefix(text, "(line ") {
		if _, rest, ok := strings.Cut(text, "): "); ok {
			text = rest
		}
	}
	return errors.New(text)
}

// ruleToTest puts the rule that arg means into req: a file where there is one,
// else a rule of the server.
func (a *app) ruleToTest(arg string, req *redrivev1.TestRuleRequest) error {
	if _, err := os.Stat(arg); err != nil && arg != "-" {
		req.Name = nameOf("rules", arg)
		return nil
	}
	req.Rule = &redrivev1.Rule{}
	return a.readMessage(arg, req.Rule)
}

// idOf returns the last part of a resource name.
func idOf(collection, name string) string { return strings.TrimPrefix(name, collection+"/") }
