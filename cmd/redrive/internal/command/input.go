package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
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
		return nil, usageError{err} // it names the file
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
		return plainProtoError(err, j)
	}
	return nil
}

// position is where in the JSON, which is one line, protojson found an error.
var position = regexp.MustCompile(`^\(line 1:(\d+)\): `)

// plainProtoError takes out of protojson's text what only programmers read: its
// name, and a position in JSON that nobody wrote, which becomes the field.
func plainProtoError(err error, j []byte) error {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	text = strings.TrimSpace(strings.TrimPrefix(text, "proto:"))
	text = strings.TrimPrefix(text, "syntax error ") // the syntax was YAML's, and right
	m := position.FindStringSubmatch(text)
	if m == nil {
		return errors.New(text)
	}
	text = strings.TrimPrefix(text, m[0])
	value, unexpected := strings.CutPrefix(text, "unexpected token ")
	if !unexpected {
		return errors.New(text)
	}
	if kind, ok := map[string]string{"[": "a list", "{": "a mapping"}[value]; ok {
		value = kind
	}
	at, _ := strconv.Atoi(m[1]) // digits
	field := fieldAt(j, at)
	if field == "" {
		return errors.New("this is not a list of fields and their values")
	}
	return fmt.Errorf("%s: %s is not a value that this field takes; durations have units, such as 30s", field, value)
}

// fieldAt returns the path of the member of j whose value begins at column, "" for
// j itself.
func fieldAt(j []byte, column int) string {
	type level struct {
		name   string
		object bool
		names  bool // the next text is a member's name
	}
	var open []level
	d := json.NewDecoder(bytes.NewReader(j))
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		last := len(open) - 1
		if last >= 0 && open[last].object && open[last].names && token != json.Delim('}') {
			open[last].name, open[last].names = fmt.Sprint(token), false
			continue
		}
		if int(d.InputOffset()) >= column {
			var path []string
			for _, l := range open {
				if l.object {
					path = append(path, l.name)
				}
			}
			return strings.Join(path, ".")
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if last >= 0 {
				open[last].names = open[last].object
			}
			open = append(open, level{object: token == json.Delim('{'), names: token == json.Delim('{')})
		case json.Delim('}'), json.Delim(']'):
			open = open[:last]
		default:
			if last >= 0 {
				open[last].names = open[last].object
			}
		}
	}
}

// ruleToTest puts the rule that arg means into req: a file where there is one,
// else a rule of the server.
func (a *app) ruleToTest(arg string, req *redrivev1.TestRuleRequest) error {
	if _, err := os.Stat(arg); err != nil && arg != "-" {
		if strings.ContainsAny(idOf("rules", arg), "./") {
			return usagef("there is no file %s, and it is no name of a rule such as rules/license-server", arg)
		}
		req.Name = nameOf("rules", arg)
		return nil
	}
	req.Rule = &redrivev1.Rule{}
	return a.readMessage(arg, req.Rule)
}

// idOf returns the last part of a resource name.
func idOf(collection, name string) string { return strings.TrimPrefix(name, collection+"/") }
