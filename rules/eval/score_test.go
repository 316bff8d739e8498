package main

import (
	"strings"
	"testing"
)

const asked = `{"id":"a","class":"disk.full"}
{"id":"b","class":"disk.full"}
{"id":"c","class":"disk.full"}
{"id":"d","class":"none"}
{"id":"e","class":"none"}
{"id":"f","class":"unknown"}
{"id":"g","class":"timeout"}
`

const answers = `{"id":"a","class":"disk.full","rule":"r1"}
{"id":"b","class":"timeout","rule":"r2"}
{"id":"c","class":"unknown"}
{"id":"d","class":"unknown"}
{"id":"e","class":"timeout","rule":"r2"}
{"id":"f","class":"unknown"}
{"id":"g","class":"timeout","rule":"r2"}
`

func TestScore(t *testing.T) {
	all, err := read(strings.NewReader(asked), strings.NewReader(answers))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	score(all).write(&b, true)
	if err := score(all).judge(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("judge = %v, want too few right, too many wrong, and ordinary logs classified", err)
	}
	if err := score(all[:1]).judge(); err != nil {
		t.Errorf("judge of what is right = %v", err)
	}
	got := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"disk.full 3 1 1.00 0.33 timeout 1, unknown 1", "none 2 1 – 0.50 timeout 1", "timeout 1 1 0.33 1.00", "unknown 1 1 – 1.00",
		"of 4 failures with a known cause 2 right, 1 wrong, 1 missed", "of 1 failures without one 0 classified", "of 2 ordinary logs 1 classified",
		"b is disk.full, not timeout, by r2", "c is disk.full, not unknown, by no rule",
		"ratio eval-rules/right 0.5000 ratio eval-rules/wrong 0.2000 ratio eval-rules/missed 0.2500 ratio eval-rules/none 0.5000",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

func TestReadRefusesWhatDoesNotBelongTogether(t *testing.T) {
	for _, tc := range []struct{ asked, answers, want string }{
		{`{"id":"a","class":"x"}`, `{"id":"b"}`, `the answer is to "b"`},
		{`{"id":"a","class":"x"}`, "", "text 1"},
		{`{"id":"a"}`, `{"id":"a"}`, "it has no class"},
		{"{oops", "", "text 1"},
	} {
		if _, err := read(strings.NewReader(tc.asked), strings.NewReader(tc.answers)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("read(%s, %s) = %v, want %q", tc.asked, tc.answers, err, tc.want)
		}
	}
}
