package spark

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
)

func TestKeysOfDefaults(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                   nil,
		"spark.a b\nspark.c=d\n spark.e : f": {"spark.a", "spark.c", "spark.e"},
		"# spark.a b\n!spark.c d\n\n \t\n":   nil,
		"spark.a b\\\nspark.not.a.key\nspark.c d":  {"spark.a", "spark.c"},
		"spark.a b\\\\\nspark.c d":                 {"spark.a", "spark.c"},
		"# a comment does not go on \\\nspark.a b": {"spark.a"},
		"spark.alone": {"spark.alone"},
	} {
		got := parseDefaults(text)
		if keys := slices.Sorted(maps.Keys(got.keys)); !slices.Equal(keys, want) {
			t.Errorf("keys of %q are %q, want %q", text, keys, want)
		}
	}
}

func TestDefaultsThatCannotBeRead(t *testing.T) {
	home := t.TempDir()
	conf := filepath.Join(home, "conf", "spark-defaults.conf")
	if err := os.MkdirAll(conf, 0o700); err != nil { // a folder in the file's place
		t.Fatal(err)
	}
	if _, err := readDefaults(home, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("a folder: %v, want Invalid", err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "spark-defaults.conf"), []byte(strings.Repeat("#", maxDefaults+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readDefaults(home, map[string]string{"SPARK_CONF_DIR": other}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a very long file: %v, want Invalid", err)
	}
	if d, err := readDefaults(t.TempDir(), nil); err != nil || d.text != "" {
		t.Errorf("no file: %+v, %v", d, err)
	}
}

func FuzzProperties(f *testing.F) {
	f.Add("spark.a b\\\n c\n", "x\\")
	f.Add("#\\", " a\nb")
	f.Add("\\", "")
	f.Fuzz(func(t *testing.T, text, value string) {
		d := parseDefaults(text)
		// A property that is written behind the defaults is one of its own.
		if strings.ContainsRune(text, '\r') {
			return // the end of a line elsewhere, and not here
		}
		whole := parseDefaults(d.text + written(map[string]string{"spark.own": value, "spark.z": "1"}))
		if !whole.keys["spark.own"] || !whole.keys["spark.z"] || len(whole.keys) > len(d.keys)+2 {
			t.Errorf("keys of %q are %v", whole.text, whole.keys)
		}
	})
}
