package image_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/redrive-io/redrive/tools/deploy/image"
)

// binaries are the static binaries that `make image` put into the image.
func binaries(t *testing.T) map[string]string {
	t.Helper()
	dir := os.Getenv("REDRIVE_IMAGE_BINARIES")
	if dir == "" {
		t.Fatal("REDRIVE_IMAGE_BINARIES is not set: run make test-image")
	}
	return map[string]string{"amd64": filepath.Join(dir, "redrive-amd64"), "arm64": filepath.Join(dir, "redrive-arm64")}
}

func build(t *testing.T, from map[string]string) v1.ImageIndex {
	t.Helper()
	index, err := image.New(image.Options{Binaries: from, Version: "v0", Revision: "none", Created: time.Unix(1_700_000_000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// file is a file of an image.
type file struct {
	header *tar.Header
	data   []byte
}

// files are all files of the image for an architecture, by name.
func files(t *testing.T, index v1.ImageIndex, arch string) (map[string]file, v1.Config) {
	t.Helper()
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(m.Manifests, func(d v1.Descriptor) bool { return d.Platform.OS == "linux" && d.Platform.Architecture == arch })
	if at < 0 {
		t.Fatalf("there is no image for linux/%s", arch)
	}
	img, err := index.Image(m.Manifests[at].Digest)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.OS != "linux" || c.Architecture != arch {
		t.Errorf("the configuration says %s/%s", c.OS, c.Architecture)
	}
	all := map[string]file{}
	packed := mutate.Extract(img)
	defer func() { _ = packed.Close() }()
	for r := tar.NewReader(packed); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, c.Config
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = file{h, data}
	}
}

// The same binaries give the same image, wherever and whenever it is built.
func TestTheSameImageTwice(t *testing.T) {
	elsewhere := map[string]string{}
	dir := t.TempDir()
	for arch, path := range binaries(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		elsewhere[arch] = filepath.Join(dir, arch)
		if err := os.WriteFile(elsewhere[arch], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var digests []v1.Hash
	var archives [][sha256.Size]byte
	for i, from := range []map[string]string{binaries(t), elsewhere} {
		index := build(t, from)
		digest, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, string(rune('a'+i))+".tar")
		if err := image.WriteArchive(path, "redrive:v0", index); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		digests, archives = append(digests, digest), append(archives, sha256.Sum256(data))
	}
	if digests[0] != digests[1] || archives[0] != archives[1] {
		t.Errorf("digests %v, archives %x", digests, archives)
	}
}

func TestWhatIsInTheImage(t *testing.T) {
	index := build(t, binaries(t))
	for arch, path := range binaries(t) {
		all, config := files(t, index, arch)
		names := make([]string, 0, len(all))
		for name := range all {
			names = append(names, strings.TrimSuffix(name, "/"))
		}
		slices.Sort(names)
		want := []string{"data", "etc", "etc/group", "etc/passwd", "etc/ssl", "etc/ssl/certs", "etc/ssl/certs/ca-certificates.crt", "redrive", "tmp"}
		if !slices.Equal(names, want) {
			t.Errorf("%s has %v, want %v", arch, names, want)
		}
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(all["redrive"].data, program) {
			t.Errorf("%s has another program", arch)
		}
		if config.User != "65532:65532" || !slices.Equal(config.Entrypoint, []string{"/redrive"}) {
			t.Errorf("%s runs %v as %q", arch, config.Entrypoint, config.User)
		}
		for _, label := range []string{"title", "source", "licenses", "version", "revision"} {
			if config.Labels["org.opencontainers.image."+label] == "" {
				t.Errorf("%s has no label %s", arch, label)
			}
		}
		if !x509.NewCertPool().AppendCertsFromPEM(all["etc/ssl/certs/ca-certificates.crt"].data) {
			t.Errorf("%s has no roots of trust", arch)
		}
		for name, f := range all {
			if f.header.Mode&0o022 != 0 && f.header.Mode&0o1000 == 0 {
				t.Errorf("%s: everybody may write to %s", arch, name)
			}
		}
	}
}

// What could not run in the image does not come into it.
func TestRefusedBinaries(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]map[string]string{
		"of another architecture": {"amd64": binaries(t)["arm64"]},
		"of an unknown one":       {"m68k": binaries(t)["arm64"]},
		"dynamic":                 {"amd64": shell, "arm64": shell},
		"a script":                {"amd64": text},
		"not there":               {"amd64": text + "2"},
	} {
		if _, err := image.New(image.Options{Binaries: from, Version: "v0", Revision: "none"}); err == nil {
			t.Errorf("a binary that is %s was accepted", name)
		}
	}
}
