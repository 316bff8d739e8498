package docstore

import "time"

// timeLayout has a fixed width, so that times sort as text.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// TimeKey returns t as an index value: keys sort as their times do, to the
// nanosecond, whatever the times' zones. Years outside 0 to 9999 are cut to
// that range. All keys have the same length.
func TimeKey(t time.Time) string {
	t = t.UTC()
	switch {
	case t.Year() < 0:
		t = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case t.Year() > 9999:
		t = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	}
	return t.Format(timeLayout)
}

// KeyTime returns the time that TimeKey made key from. It reports false when
// key is not one of TimeKey's.
func KeyTime(key string) (time.Time, bool) {
	t, err := time.Parse(timeLayout, key)
	return t, err == nil && len(key) == len(timeLayout)
}
