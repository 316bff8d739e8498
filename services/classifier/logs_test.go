package classifier

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
)

func TestLogSources(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("t0ken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		o    Options
		want string // the schemes, or a part of the error after "!"
	}{
		"none":    {Options{}, "file"},
		"all":     {Options{LogSources: []string{"https://logs/", "http://*.internal:8042/", "s3://b/", "nats-obj://b/", "yarn+http://rm:8088?logs=http://jhs:19888"}}, "file http https nats-obj s3 yarn+http yarn+https"},
		"a name":  {Options{LogSources: []string{"driver=s3://b/{application_id}/driver*", "yarn+https://rm:8090/{application_id}?logs=https://jhs:19890", "file:///spark/{application_id}*"}}, "file s3 yarn+http yarn+https"},
		"a token": {Options{LogSources: []string{"https://logs/"}, LogTokens: []string{"https://logs/=" + secret}}, "file http https"},

		"no URL":              {Options{LogSources: []string{"logs"}}, "!no URL such as"},
		"another scheme":      {Options{LogSources: []string{"ftp://logs/"}}, "!logs are read from file, http"},
		"no host":             {Options{LogSources: []string{"https:///x"}}, "!names no host"},
		"a password":          {Options{LogSources: []string{"https://me:pw@logs/"}}, "!by a file or the environment"},
		"a name for nothing":  {Options{LogSources: []string{"driver=s3://b/"}}, "!no {application_id}"},
		"a star in a folder":  {Options{LogSources: []string{"s3://b/*/{application_id}/x"}}, "!only the last part"},
		"history of HTTP":     {Options{LogSources: []string{"http://rm?logs=http://jhs"}}, "!?logs= is for yarn"},
		"no history":          {Options{LogSources: []string{"yarn+http://rm?logs=jhs"}}, "!?logs= is for yarn"},
		"pods without access": {Options{LogSources: []string{"k8s://jobs/"}}, "!--log-kubeconfig"},
		"access without pods": {Options{Kubeconfig: "x"}, "!--log-source k8s://"},
		"token for any host":  {Options{LogTokens: []string{"https://*/=" + secret}}, "!is not URL=FILE"},
		"token without file":  {Options{LogTokens: []string{"https://logs/=" + secret + "x"}}, "!there is no"},
		"token of nothing":    {Options{LogTokens: []string{"x"}}, "!is not URL=FILE"},
		"negative time":       {Options{LogTimeout: -1}, "!must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := tc.o.withDefaults()
			var got []string
			if err == nil {
				c, e := o.collecting(nil)
				err = e
				for _, s := range logSchemes {
					if c.Drivers[s] != nil {
						got = append(got, s)
					}
				}
			}
			if text, refused := strings.CutPrefix(tc.want, "!"); refused {
				if err == nil || !strings.Contains(err.Error(), text) || errs.Is(err, errs.Internal) || strings.Contains(err.Error(), "pw@") {
					t.Errorf("collecting = %v, want %q", err, text)
				}
				return
			}
			slices.Sort(got)
			if err != nil || strings.Join(got, " ") != tc.want {
				t.Errorf("collecting = %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}
