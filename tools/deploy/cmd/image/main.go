// Command image writes the container image of Redrive to an OCI archive:
//
//	image -o bin/redrive-image.tar -version v1.2.3 -revision SHA -created 1790000000 amd64=bin/image/redrive-amd64 …
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redrive-io/redrive/tools/deploy/image"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run() error {
	out := flag.String("o", "", "the archive to write")
	o := image.Options{Binaries: map[string]string{}}
	flag.StringVar(&o.Version, "version", "unknown", "the version of the binaries")
	flag.StringVar(&o.Revision, "revision", "unknown", "the commit of the binaries")
	created := flag.Int64("created", 0, "the time that everything in the image has, in seconds since 1970")
	flag.Parse()
	if *out == "" {
		return fmt.Errorf("-o is missing")
	}
	for _, arg := range flag.Args() {
		arch, path, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q is not ARCHITECTURE=FILE", arg)
		}
		o.Binaries[arch] = path
	}
	if len(o.Binaries) == 0 {
		return fmt.Errorf("no binary is named: write amd64=FILE")
	}
	o.Created = time.Unix(*created, 0).UTC()
	index, err := image.New(o)
	if err != nil {
		return err
	}
	if err := image.WriteArchive(*out, "redrive:"+o.Version, index); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s redrive:%s %s\n", *out, o.Version, digest)
	return nil
}
