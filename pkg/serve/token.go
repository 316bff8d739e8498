package serve

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
)

// MinTokenLen is the shortest token that is accepted, so that nobody sets
// "secret".
const MinTokenLen = 32

// NewToken returns 256 random bits as text.
func NewToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// EnsureToken returns the token kept in file, and makes one there, readable by
// this user alone, when there is none.
func EnsureToken(file string) (string, error) {
	token, err := ReadToken(file)
	if !errs.Is(err, errs.NotFound) {
		return token, err
	}
	token = NewToken()
	if err := WriteSecret(file, []byte(token+"\n")); err != nil {
		return "", fmt.Errorf("keep a new token: %w", err)
	}
	return token, nil
}

// ReadToken returns the token kept in file. It is errs.NotFound when there is
// no file, and errs.FailedPrecondition when others may read it.
func ReadToken(file string) (string, error) {
	b, err := ReadSecret(file)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if err := CheckToken(token); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return token, nil
}

// ReadSecret reads a file that nobody but this user may read. It is
// errs.NotFound when there is none, and errs.FailedPrecondition when its mode
// lets others read it.
func ReadSecret(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "there is no %s", file)
	}
	if err != nil {
		return nil, err
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, errs.New(errs.FailedPrecondition, "%s may be read by others (mode %#o): run chmod 600 %[1]s", file, info.Mode().Perm())
	}
	return os.ReadFile(file)
}

// ReadGivenSecret reads a secret file that an operator names. Others than its
// owner and group must not read it, nor others than its owner write it: a mount
// for a process without privileges is readable by the process's group. Blanks
// around the secret do not belong to it. It is errs.NotFound, or
// errs.FailedPrecondition when its mode is too open.
func ReadGivenSecret(file string) (string, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errs.New(errs.NotFound, "there is no %s", file)
	}
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o027 != 0 {
		return "", errs.New(errs.FailedPrecondition, "%s may be read by others (mode %#o): run chmod 600 %[1]s", file, info.Mode().Perm())
	}
	b, err := os.ReadFile(file)
	return strings.TrimSpace(string(b)), err
}

// WriteSecret replaces file by data that only this user may read, whole or not
// at all, and durably.
func WriteSecret(file string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), file); err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(filepath.Dir(file)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// CheckToken is errs.Invalid for a token that is too short to be a secret, or that
// cannot be sent in a header.
func CheckToken(token string) error {
	if len(token) < MinTokenLen {
		return errs.New(errs.Invalid, "the token has %d characters, it must have at least %d", len(token), MinTokenLen)
	}
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return errs.New(errs.Invalid, "the token has characters that cannot be sent in a header")
		}
	}
	return nil
}

// sameToken compares in constant time, whatever the lengths.
func sameToken(got, want string) bool {
	g, w := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1
}
