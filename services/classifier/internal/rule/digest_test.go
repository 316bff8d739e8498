package rule_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// words are the fields of a rule that do not say what it does. A new field is
// either one of them or has to be in Digest.
var words = []string{
	"Summary", "Runbook", "Owner", "Mode", "Sample", "NearMisses", "Revision", "BuiltIn", "Overridden", "CreateTime", "UpdateTime",
	"Pack", "Author",
}

func TestDigestIsOfWhatARuleDoes(t *testing.T) {
	base := rule.Rule{ID: "a", Order: 1, Class: failure.Throttling}
	of := reflect.TypeFor[rule.Rule]()
	for i := range of.NumField() {
		changed := base
		if !set(reflect.ValueOf(&changed).Elem().Field(i)) {
			t.Fatalf("the test cannot change %s", of.Field(i).Name)
		}
		differs := changed.Digest() != base.Digest()
		if want := !slices.Contains(words, of.Field(i).Name); differs != want {
			t.Errorf("another %s gives another digest: %v, want %v", of.Field(i).Name, differs, want)
		}
	}
	facts := reflect.TypeFor[rule.Facts]()
	for i := range facts.NumField() {
		changed := base
		if set(reflect.ValueOf(&changed.Facts).Elem().Field(i)); changed.Digest() == base.Digest() {
			t.Errorf("facts.%s is not in the digest", facts.Field(i).Name)
		}
	}
}

// set gives v another value than zero.
func set(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		v.SetString("memory.driver")
	case reflect.Int, reflect.Int64:
		v.SetInt(2)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		one := reflect.MakeSlice(v.Type(), 1, 1)
		if one.Index(0).Kind() == reflect.Struct {
			set(one.Index(0).Field(0))
		} else {
			set(one.Index(0))
		}
		v.Set(one)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
			return true
		}
		return set(v.Field(0))
	default:
		return false
	}
	return true
}

func TestDigestIsTheSameHoweverARuleIsWritten(t *testing.T) {
	one := rule.Rule{ID: "a", Class: failure.Throttling, Remedy: []rule.Operation{{Op: "add", Path: "/a", Value: []byte(`{"b":1,"a":2.0}`)}}}
	meaning, _ := failure.MeaningOf(one.Class)
	two := one
	two.Verdict, two.Any, two.Facts.Engines = meaning.Verdict, []string{}, []string{}
	two.Remedy = []rule.Operation{{Op: "add", Path: "/a", Value: []byte(` {"a": 2, "b": 1}`)}}
	if one.Digest() != two.Digest() {
		t.Error("the same rule has two digests")
	}
	two.Any = []string{"a b"}
	three := two
	three.Any = []string{"a", "b"}
	if two.Digest() == three.Digest() {
		t.Error("one pattern and two have the same digest")
	}
}
