package engine

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
)

// unit is how the value of a key is written.
type unit int

const (
	mebibytes   unit = iota // a whole number of MiB, such as 512
	sizeInMiB               // "4g"; a bare number is MiB
	sizeInBytes             // "4g"; a bare number is bytes
	number                  // 1.5
	whole                   // 4, or "4"
	factor                  // 0.1, or "0.1"
	flag                    // true, or "true"
)

// key is one member of a configuration that a profile knows.
type key struct {
	member   member
	name     string
	unit     unit
	min, max float64 // in bytes for memory
	readOnly bool    // no patch may touch it
	lenient  bool    // a value that cannot be read counts as not set
	part     Part    // what it limits, where it limits one part alone
}

// member is a place in values: one for each key of any engine.
type member int

// values are the parsed members of a configuration: bytes for memory, 1 or 0
// for flags; 0 for what was not set. A search tries many of them, so they are
// no map.
type values struct {
	amount [members]float64
	isSet  [members]bool
}

func (v *values) of(m member) float64 { return v.amount[m] }

// or returns the value of a member, or what holds when it is not set.
func (v *values) or(m member, otherwise float64) float64 {
	if v.isSet[m] {
		return v.amount[m]
	}
	return otherwise
}

// share sets what shares a part; it does not set 0 where nothing is set.
func (v *values) share(m member, amount float64) {
	if v.amount[m] != amount {
		v.set(m, amount)
	}
}

// set sets the amount of one member.
func (v *values) set(m member, amount float64) { v.amount[m], v.isSet[m] = amount, true }

func (p Profile) key(name string) (key, bool) {
	for _, k := range p.keys {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

func (p Profile) parse(config map[string]any) (values, error) {
	var v values
	var wrong []error
	for _, k := range p.keys {
		written, ok := config[k.name]
		if !ok {
			continue
		}
		amount, ok := k.read(written)
		if !ok || !k.within(amount) {
			if k.lenient {
				continue
			}
			_, err := k.parse("config."+k.name, written)
			wrong = append(wrong, err)
		}
		v.set(k.member, amount)
	}
	return v, errs.Fields(wrong...)
}

// parse reads one value in bytes or as a plain number; field names it in errors.
func (k key) parse(field string, member any) (float64, error) {
	amount, ok := k.read(member)
	if !ok {
		return 0, errs.Field(field, "%s is not %s", shown(member), k.want())
	}
	if !k.within(amount) {
		return 0, errs.Field(field, "%s is out of range: %s", shown(member), k.want())
	}
	return amount, nil
}

func (k key) within(amount float64) bool { return amount >= k.min && amount <= k.max }

func (k key) read(member any) (float64, bool) {
	switch m := member.(type) {
	case string:
		return k.readText(strings.TrimSpace(m))
	case bool:
		return map[bool]float64{true: 1}[m], k.unit == flag
	}
	n, ok := plain(member)
	switch k.unit {
	case mebibytes, sizeInMiB:
		return n * mib, ok && n == math.Trunc(n)
	case sizeInBytes, whole:
		return n, ok && n == math.Trunc(n)
	case number, factor:
		return n, ok
	}
	return 0, false
}

func (k key) readText(s string) (float64, bool) {
	switch k.unit {
	case sizeInMiB:
		bytes, err := ParseSize(s, mib)
		return float64(bytes), err == nil
	case sizeInBytes:
		bytes, err := ParseSize(s, 1)
		return float64(bytes), err == nil
	case whole:
		n, err := strconv.ParseInt(s, 10, 32)
		return float64(n), err == nil
	case factor:
		n, err := strconv.ParseFloat(s, 64)
		return n, err == nil && !math.IsNaN(n)
	case flag:
		return map[string]float64{"true": 1}[s], s == "true" || s == "false"
	}
	return 0, false
}

// plain returns member as a number where it is one.
func plain(member any) (float64, bool) {
	switch m := member.(type) {
	case float64:
		return m, !math.IsNaN(m) && !math.IsInf(m, 0)
	case int:
		return float64(m), true
	case int64:
		return float64(m), true
	case json.Number:
		n, err := m.Float64()
		return n, err == nil
	}
	return 0, false
}

// format writes an amount the way this key is written; old is the value that it
// replaces, or nil.
func (k key) format(amount float64, old any) any {
	switch k.unit {
	case mebibytes:
		return math.Ceil(amount / mib)
	case sizeInMiB, sizeInBytes:
		return FormatSize(int64(amount))
	case whole:
		if _, text := old.(string); text {
			return strconv.Itoa(int(amount))
		}
	}
	return amount
}

// want says in words what would be right.
func (k key) want() string {
	between := func(show func(float64) string) string {
		return " between " + show(k.min) + " and " + show(k.max)
	}
	plain := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	size := func(n float64) string { return strconv.Quote(FormatSize(int64(n))) }
	switch k.unit {
	case mebibytes:
		return "a whole number of MiB" + between(func(n float64) string { return plain(n / mib) })
	case sizeInMiB:
		return `a size such as "512m" or "4g" (without a suffix in MiB)` + between(size)
	case sizeInBytes:
		return `a size such as "512m" or "4g" (without a suffix in bytes)` + between(size)
	case whole:
		return "a whole number" + between(plain)
	case flag:
		return "true or false"
	}
	return "a number" + between(plain)
}

// shown cuts a member for an error text.
func shown(member any) string {
	if member == nil {
		return "null"
	}
	b, err := json.Marshal(member)
	if err != nil {
		return "the value"
	}
	if s := string(b); len(s) <= 40 {
		return s
	}
	return string([]rune(string(b))[:36]) + "…"
}
