// Package s3 reads logs from Amazon S3 and from what speaks its protocol:
// s3://BUCKET/KEY. It signs plain HTTP requests; reading and listing need no
// more.
package s3

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/web"
)

// Options say where the buckets are and who asks.
type Options struct {
	// Allow are the prefixes, s3://BUCKET/PATH/, that are read.
	Allow source.Prefixes
	// Endpoint is where buckets are found as folders, such as
	// https://minio:9000; AWS when nil.
	Endpoint *url.URL
	// Region is that of the buckets, as far as AWS does not say otherwise;
	// us-east-1 when empty.
	Region string
	// Credentials returns what to sign with; without an AccessKeyID nothing is
	// signed, as for public buckets. Nil is without.
	Credentials func(ctx context.Context) (aws.Credentials, error)
}

// Driver reads objects.
type Driver struct {
	options Options
	client  *web.Client
	signer  *v4.Signer

	mu      sync.Mutex
	regions map[string]string // of buckets that AWS said to be elsewhere
}

var _ source.Driver = (*Driver)(nil)

// maxRegions bounds what is remembered of where buckets are.
const maxRegions = 1000

// New returns a driver.
func New(o Options) *Driver {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	d := &Driver{options: o, regions: map[string]string{}, signer: v4.NewSigner(func(s *v4.SignerOptions) {
		s.DisableURIPathEscaping = true // the path is written as S3 wants it
	})}
	hosts := source.Prefixes{
		{Scheme: "https", Host: "*.amazonaws.com", Path: "/"},
		{Scheme: "https", Host: "*.amazonaws.com.cn", Path: "/"},
	}
	if e := o.Endpoint; e != nil {
		p, _ := source.ParsePrefix(e.String()) // it was read when the options were
		hosts = source.Prefixes{p}
	}
	d.client = web.New(web.Options{Allow: hosts, Sign: d.sign, Trusted: true})
	return d
}

// bucketName keeps a bucket's name from becoming another host or path.
var bucketName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]$`)

// Find implements source.Driver.
func (d *Driver) Find(ctx context.Context, ref source.Ref) (source.Found, error) {
	u := ref.URL
	if err := d.options.Allow.Check(u); err != nil {
		return source.Found{}, err
	}
	bucket, key := u.Host, strings.TrimPrefix(u.Path, "/")
	if !bucketName.MatchString(bucket) || strings.Contains(bucket, "..") || key == "" {
		return source.Found{}, errs.New(errs.Invalid, "%s is not s3://BUCKET/KEY", source.Show(u))
	}
	if ref.Pattern {
		return d.matches(ctx, bucket, key)
	}
	return source.Found{Logs: []source.Log{d.log("", bucket, key)}}, nil
}

func (d *Driver) log(uri, bucket, key string) source.Log {
	return source.Log{URI: uri, Growing: strings.HasSuffix(key, ".inprogress"), Read: func(ctx context.Context, r source.Range) (source.Chunk, error) {
		var chunk source.Chunk
		err := d.inRegion(bucket, func(region string) (err error) {
			chunk, err = d.client.Range(ctx, d.url(region, bucket, key, nil), r)
			return err
		})
		return chunk, err
	}}
}

// inRegion asks in the region where the bucket is known to be, and once more in
// the one that AWS names.
func (d *Driver) inRegion(bucket string, ask func(region string) error) error {
	d.mu.Lock()
	region := d.regions[bucket]
	d.mu.Unlock()
	if region == "" {
		region = d.options.Region
	}
	err := ask(region)
	status, ok := errors.AsType[*web.Status](err)
	if !ok || d.options.Endpoint != nil {
		return err
	}
	named := status.Header.Get("X-Amz-Bucket-Region")
	if named == "" || named == region || !regionName.MatchString(named) {
		return err
	}
	d.mu.Lock()
	if len(d.regions) >= maxRegions {
		clear(d.regions)
	}
	d.regions[bucket] = named
	d.mu.Unlock()
	return ask(named)
}

var regionName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// url returns the URL of an object, or of the bucket itself.
func (d *Driver) url(region, bucket, key string, query url.Values) *url.URL {
	u := &url.URL{Scheme: "https", RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20")}
	path := "/" + key
	switch {
	case d.options.Endpoint != nil:
		u.Scheme, u.Host = d.options.Endpoint.Scheme, d.options.Endpoint.Host
		path = strings.TrimSuffix(d.options.Endpoint.Path, "/") + "/" + bucket + path
	case strings.Contains(bucket, "."): // no certificate is for such a host
		u.Host, path = host(region), "/"+bucket+path
	default:
		u.Host = bucket + "." + host(region)
	}
	u.Path, u.RawPath = path, escaped(path)
	return u
}

func host(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "s3." + region + ".amazonaws.com.cn"
	}
	return "s3." + region + ".amazonaws.com"
}

// regionOf is that of a host of AWS; empty when it is none of host's.
func regionOf(name string) string {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".cn"), ".amazonaws.com")
	if i := strings.LastIndex("."+name, ".s3."); i >= 0 {
		return name[i+len("s3."):]
	}
	return ""
}

// noBody is the SHA-256 of nothing.
const noBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func (d *Driver) sign(r *http.Request) error {
	if d.options.Credentials == nil {
		return nil
	}
	c, err := d.options.Credentials(r.Context())
	if err != nil || c.AccessKeyID == "" {
		return err
	}
	region := d.options.Region
	if named := regionOf(r.URL.Hostname()); d.options.Endpoint == nil && regionName.MatchString(named) {
		region = named
	}
	r.Header.Set("X-Amz-Content-Sha256", noBody)
	if err := d.signer.SignHTTP(r.Context(), c, r, noBody, "s3", region, time.Now()); err != nil {
		return errs.New(errs.Internal, "sign the request: %w", err)
	}
	return nil
}

// escaped writes a path as the signature of S3 wants it: everything but
// letters, digits and "-._~/" as %XX.
func escaped(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
