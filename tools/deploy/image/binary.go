package image

import (
	"bytes"
	"debug/elf"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// roots are the certificates that TLS connections trust, as PEM: those of
// Mozilla, in the version that go.sum pins, so that they do not depend on what
// the machine trusts that builds. Those that Mozilla trusts with limits are left
// out, because a file of certificates cannot say the limits.
func roots() []byte {
	var all bytes.Buffer
	for r := range bundle.Roots() {
		if r.Constraint == nil {
			_ = pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate}) // a buffer takes everything
		}
	}
	return all.Bytes()
}

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// checkStatic refuses a program that an image without anything else in it could
// not run.
func checkStatic(path, arch string) (err error) {
	machine, known := machines[arch]
	if !known {
		return fmt.Errorf("the architecture is not known; there are %v", sortedKeys(machines))
	}
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.Machine != machine {
		return fmt.Errorf("%s is for %v", path, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is not static: build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
