package s3

import (
	"net/url"
	"testing"
)

func TestHosts(t *testing.T) {
	aws := New(Options{})
	for _, tc := range []struct{ region, bucket, key, want string }{
		{"eu-west-1", "logs", "a/b c+d", "https://logs.s3.eu-west-1.amazonaws.com/a/b%20c%2Bd"},
		{"eu-west-1", "my.logs", "a", "https://s3.eu-west-1.amazonaws.com/my.logs/a"},
		{"cn-north-1", "logs", "a", "https://logs.s3.cn-north-1.amazonaws.com.cn/a"},
	} {
		u := aws.url(tc.region, tc.bucket, tc.key, nil)
		if u.String() != tc.want {
			t.Errorf("url = %s, want %s", u, tc.want)
		}
		if got := regionOf(u.Hostname()); got != tc.region {
			t.Errorf("regionOf(%s) = %q, want %q", u.Hostname(), got, tc.region)
		}
	}
}

func FuzzURL(f *testing.F) {
	f.Add("logs", "a/b c+d%é")
	f.Fuzz(func(t *testing.T, bucket, key string) {
		if !bucketName.MatchString(bucket) {
			return
		}
		u, err := url.Parse(New(Options{}).url("us-east-1", bucket, key, nil).String())
		if err != nil {
			t.Fatal(err)
		}
		if h := u.Hostname(); h != "s3.us-east-1.amazonaws.com" && h != bucket+".s3.us-east-1.amazonaws.com" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("%q and %q lead to %s", bucket, key, u)
		}
	})
}
