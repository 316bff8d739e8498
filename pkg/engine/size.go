package engine

import (
	"math"
	"strconv"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// exponents of 1024, by the suffixes that Spark reads.
var exponents = map[string]int{
	"b": 0, "k": 1, "kb": 1, "m": 2, "mb": 2, "g": 3, "gb": 3, "t": 4, "tb": 4, "p": 5, "pb": 5,
}

// ParseSize reads a size as Spark does: digits and one of the suffixes b, k, kb,
// m, mb, g, gb, t, tb, p, pb in either case, all of them powers of 1024. A
// number without a suffix counts in unit bytes. Fractions, signs and other
// suffixes are errs.Invalid; so is a size beyond 8 EiB.
func ParseSize(s string, unit int64) (int64, error) {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	digits, suffix := s[:end], strings.ToLower(s[end:])
	if suffix != "" {
		exponent, ok := exponents[suffix]
		if !ok {
			return 0, errs.New(errs.Invalid, `%.40q is not a size such as "512m" or "4g"`, s)
		}
		unit = 1 << (10 * exponent)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, errs.New(errs.Invalid, `%.40q is not a size such as "512m" or "4g"`, s)
	}
	return n * unit, nil
}

// FormatSize writes a size in the suffixes that Spark and the JVM's -Xmx both
// read: "4g" when it is whole GiB, else MiB, rounded up.
func FormatSize(bytes int64) string {
	if bytes > 0 && bytes%gib == 0 {
		return strconv.FormatInt(bytes/gib, 10) + "g"
	}
	m := bytes / mib
	if bytes%mib > 0 {
		m++
	}
	return strconv.FormatInt(m, 10) + "m"
}

func ceilMiB(bytes float64) float64 { return math.Ceil(bytes/mib) * mib }
