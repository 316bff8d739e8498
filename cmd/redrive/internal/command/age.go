package command

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

// age is the value of a flag that says how long ago: a duration that may be in
// days, such as 30d.
type age time.Duration

// String implements pflag.Value.
func (a *age) String() string {
	if *a == 0 {
		return ""
	}
	return time.Duration(*a).String()
}

// Type implements pflag.Value.
func (a *age) Type() string { return "duration" }

// Set implements pflag.Value.
func (a *age) Set(s string) error {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
		if n > 36_500 {
			err = strconv.ErrRange
		}
	}
	if err != nil || d <= 0 {
		return fmt.Errorf("must be a time such as 30d or 12h")
	}
	*a = age(d)
	return nil
}

// proto returns nil for none.
func (a age) proto() *durationpb.Duration {
	if a == 0 {
		return nil
	}
	return durationpb.New(time.Duration(a))
}
