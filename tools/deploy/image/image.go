// Package image builds the container image of Redrive without a daemon and
// without a base: the static binary, the roots of trust, and the folders that it
// writes to. The same input gives the same digest, on any machine.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// User is who runs in the image: nobody in particular, and never root.
const User = 65532

// Options are what an image is made of. All are required.
type Options struct {
	// Binaries are the files of the static binaries by architecture, in Go's
	// words: "amd64", "arm64".
	Binaries map[string]string
	// Version is that of the binaries, and Revision the commit.
	Version, Revision string
	// Created is the time that everything in the image has.
	Created time.Time
}

// New returns the index of an image for each of the architectures.
func New(o Options) (v1.ImageIndex, error) {
	ground, err := groundLayer(o.Created)
	if err != nil {
		return nil, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range sortedKeys(o.Binaries) {
		img, err := one(o, arch, ground)
		if err != nil {
			return nil, fmt.Errorf("image for %s: %w", arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	return index, nil
}

// one returns the image for an architecture.
func one(o Options, arch string, ground v1.Layer) (v1.Image, error) {
	if err := checkStatic(o.Binaries[arch], arch); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(o.Binaries[arch])
	if err != nil {
		return nil, err
	}
	program, err := layer(o.Created, []entry{{name: "redrive", mode: 0o755, data: data}})
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.AppendLayers(img, ground, program); err != nil {
		return nil, err
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", arch, v1.Time{Time: o.Created}
	c.History = []v1.History{
		{Created: c.Created, CreatedBy: "the roots of trust, and folders to write to"},
		{Created: c.Created, CreatedBy: "redrive " + o.Version},
	}
	c.Config = v1.Config{
		User:       fmt.Sprintf("%d:%[1]d", User),
		Entrypoint: []string{"/redrive"},
		// Loopback of the container alone; deploy/k8s shows how to listen beyond it.
		Cmd:          []string{"serve", "--data", "/data"},
		Env:          []string{"PATH=/", "HOME=/data", "TMPDIR=/tmp"},
		WorkingDir:   "/data",
		Volumes:      map[string]struct{}{"/data": {}},
		ExposedPorts: map[string]struct{}{"8470/tcp": {}, "8471/tcp": {}, "8472/tcp": {}},
		StopSignal:   "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title":       "redrive",
			"org.opencontainers.image.description": "Turns a failed data job into a decision and carries it out",
			"org.opencontainers.image.source":      "https://github.com/redrive-io/redrive",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.version":     o.Version,
			"org.opencontainers.image.revision":    o.Revision,
			"org.opencontainers.image.created":     o.Created.UTC().Format(time.RFC3339),
		},
	}
	return mutate.ConfigFile(img, c)
}

// groundLayer is what is the same for all architectures and most versions.
func groundLayer(created time.Time) (v1.Layer, error) {
	return layer(created, []entry{
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, data: fmt.Appendf(nil, "root:x:0:\nredrive:x:%d:\n", User)},
		{name: "etc/passwd", mode: 0o644, data: fmt.Appendf(nil, "root:x:0:0:root:/:/none\nredrive:x:%d:%[1]d:redrive:/data:/none\n", User)},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, data: roots()},
		{name: "data/", mode: 0o700, owner: User},
		{name: "tmp/", mode: 0o1777},
	})
}

// entry is a file, or a folder when its name ends with a slash.
type entry struct {
	name  string
	mode  int64
	owner int
	data  []byte
}

// layer packs the entries. Nothing of the machine that packs is in it.
func layer(created time.Time, entries []entry) (v1.Layer, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, e := range entries {
		h := &tar.Header{
			Name: e.name, Mode: e.mode, Uid: e.owner, Gid: e.owner, Size: int64(len(e.data)),
			ModTime: created.UTC().Truncate(time.Second), Typeflag: tar.TypeReg, Format: tar.FormatPAX,
		}
		if e.name[len(e.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}
