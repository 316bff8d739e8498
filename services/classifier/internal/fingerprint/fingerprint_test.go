package fingerprint_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/services/classifier/internal/fingerprint"
)

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		`table "sales.orders" not found`:                                                `table <str> not found`,
		`can't open 'a b.txt', won't try`:                                               `can't open <str>, won't try`,
		`2026-11-21 08:57:01,123 ERROR [executor-12] lost`:                              `<time> ERROR [executor#] lost`,
		`26/11/21 08:57:01 ERROR Executor: task 3.0 in stage 2.0 (TID 11)`:              `<time> ERROR Executor: task # in stage # (TID #)`,
		`Sat Nov 21 08:57:01 2026 died`:                                                 `<time> <time> # died`,
		`2026-11-21T08:57:01.5Z x`:                                                      `<time> x`,
		`host 10.1.2.3:8020 and [2001:db8:0:1:2:3:4:5]:80`:                              `host <ip> and <ip>`,
		`id 123e4567-e89b-12d3-a456-426614174000 gone`:                                  `id <uuid> gone`,
		`object Foo@1a2b3c4d at 0x7fff1234`:                                             `object Foo<hex> at <hex>`,
		`commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904`:                               `commit <hex>`,
		`File "/home/etl/x.py", line 42, in load`:                                       `File <str>, line #, in load`,
		`open /var/lib/x/part-0001.parquet: no such file`:                               `open <path>: no such file`,
		`s3://bucket/a/b?c=d (status 404)`:                                              `<url> (status #)`,
		`C:\data\x.csv is missing`:                                                      `<path> is missing`,
		`hdfs path warehouse/db/dt=2026-01-01/part is missing`:                          `hdfs path <path> is missing`,
		`java.lang.OutOfMemoryError: Java heap space`:                                   `java.lang.OutOfMemoryError: Java heap space`,
		`used 512.5 MB of 1,024 MB at 3e-4`:                                             `used # MB of # MB at #`,
		"  \x1b[31mboom\x1b[0m \t bang ":                                                `boom bang`,
		`password [REDACTED]`:                                                           `password [REDACTED]`,
		`container_1700000000000_0001_01_000002 died on ip-10-0-0-1.eu-west-1.internal`: `container_#_#_#_# died on ip#.eu-west#.internal`,
		`KeyError: 'user_id'`:                                                           `KeyError: <str>`,
		``:                                                                              ``,
	} {
		if got := fingerprint.Mask(in); got != want {
			t.Errorf("Mask(%q)\n = %q, want %q", in, got, want)
		}
	}
}

func TestTheSameFailureInAnotherRunHasTheSameFingerprint(t *testing.T) {
	a := fingerprint.Of("code.bug", []string{`[2026-11-21 08:57:01,703] {x.py:1150} ERROR - duplicate key (id)=(48687) in "pk_7"`}, "exit 1")
	b := fingerprint.Of("code.bug", []string{`[2026-12-02 23:01:59,001] {x.py:1152} ERROR - duplicate key (id)=(9) in "pk_8"`}, "exit 1")
	if a != b || len(a) != 24 {
		t.Errorf("fingerprints %q and %q differ or have not 24 digits", a, b)
	}
	for name, other := range map[string]string{
		"class": fingerprint.Of("data.invalid", []string{`ERROR`}, "exit 1"), "text": fingerprint.Of("code.bug", []string{`ERROR other`}, "exit 1"),
		"fact": fingerprint.Of("code.bug", []string{`ERROR`}, "exit 2"), "split": fingerprint.Of("code.bug", []string{"ERR", "OR"}, "exit 1"),
	} {
		if other == fingerprint.Of("code.bug", []string{`ERROR`}, "exit 1") {
			t.Errorf("another %s has the same fingerprint", name)
		}
	}
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{`a "b" 'c' 12 0xff /x/y`, "2026-11-21 08:57:01", strings.Repeat("'", 3000), "\xff", "#####", "1 2 3", "<str>'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := fingerprint.Mask(s)
		if len(got) > 6*fingerprint.MaxText {
			t.Errorf("Mask(%d bytes) has %d bytes", len(s), len(got))
		}
		if strings.ContainsAny(got, "0123456789\n") {
			t.Errorf("Mask(%q) = %q has a digit or a line end", s, got)
		}
		if a, b := fingerprint.Of("c", []string{s}), fingerprint.Of("c", []string{s}); a != b {
			t.Errorf("fingerprints %s and %s of one text", a, b)
		}
	})
}
