package spark

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
)

// defaults is what spark-defaults.conf says.
type defaults struct {
	text string // ends with an empty line, or is empty
	keys map[string]bool
}

// maxDefaults bounds spark-defaults.conf in bytes.
const maxDefaults = 1 << 20

// readDefaults reads the spark-defaults.conf that spark-submit would read.
func readDefaults(home string, env map[string]string) (defaults, error) {
	folder := env["SPARK_CONF_DIR"]
	if folder == "" {
		folder = filepath.Join(home, "conf")
	}
	f, err := os.Open(filepath.Join(folder, "spark-defaults.conf"))
	if errors.Is(err, os.ErrNotExist) {
		return defaults{}, nil
	}
	if err != nil {
		return defaults{}, errs.Field("spark.spark_home", "spark-defaults.conf cannot be read: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxDefaults+1))
	if err != nil {
		return defaults{}, errs.Field("spark.spark_home", "spark-defaults.conf cannot be read: %w", err)
	}
	if len(text) > maxDefaults {
		return defaults{}, errs.Field("spark.spark_home", "spark-defaults.conf has more than %d bytes", maxDefaults)
	}
	return parseDefaults(string(text)), nil
}

// parseDefaults finds the keys of a file of Java properties: the first word of
// a line that is no comment and does not continue the one before.
func parseDefaults(text string) defaults {
	d := defaults{text: text, keys: map[string]bool{}}
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, maxDefaults+1)
	for continued := false; lines.Scan(); {
		line := strings.TrimLeft(lines.Text(), " \t\f")
		if !continued && line != "" && line[0] != '#' && line[0] != '!' {
			key := line
			if end := strings.IndexAny(line, " \t\f=:"); end >= 0 {
				key = line[:end]
			}
			d.keys[key] = true
		}
		trailing := len(line) - len(strings.TrimRight(line, `\`))
		continued = trailing%2 == 1 && (continued || line[0] != '#' && line[0] != '!')
	}
	if text != "" {
		d.text += "\n\n" // a last line that goes on must not go on with what follows
	}
	return d
}

// written writes properties as a file that java.util.Properties reads back.
func written(properties map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&b, "%s=%s\n", key, escaped(properties[key]))
	}
	return b.String()
}

// escaped writes a value: a backslash before what would end or shorten it.
func escaped(value string) string {
	value = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`).Replace(value)
	if strings.HasPrefix(value, " ") {
		value = `\` + value
	}
	return value
}
