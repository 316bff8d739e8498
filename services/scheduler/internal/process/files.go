package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/redrive-io/redrive/pkg/errs"
)

// File is a file that the program finds when it starts, in FilesFolder of the
// attempt's folder. It is its owner's alone, and gone when the attempt has
// ended: it may hold secrets.
type File struct {
	Name    string // 1 to 64 of [a-z0-9.-], starting with a letter
	Content string
}

// filesFolder is the folder of Spec.Files.
const filesFolder = "files"

// maxFiles bounds Spec.Files and Spec.Folders together.
const maxFiles = 16

var filePattern = regexp.MustCompile(`^[a-z][a-z0-9.-]{0,63}$`)

// Folder returns the folder of attempt id, whether it is there or not.
func (e *Executor) Folder(id ID) string { return e.folder(id) }

// FilePath returns where the program finds a file of Spec.Files; folder is the
// attempt's.
func FilePath(folder, name string) string { return filepath.Join(folder, filesFolder, name) }

func checkFiles(s Spec) error {
	var all []error
	if n := len(s.Files) + len(s.Folders); n > maxFiles {
		all = append(all, errs.Field("files", "there are %d files and folders, more than %d", n, maxFiles))
	}
	check := func(field string, i int, name string) {
		if !filePattern.MatchString(name) {
			all = append(all, errs.Field(fmt.Sprintf("%s[%d]", field, i), "%q is not 1 to 64 of [a-z0-9.-] that starts with a letter", name))
		}
	}
	for i, f := range s.Files {
		check("files", i, f.Name)
	}
	for i, name := range s.Folders {
		check("folders", i, name)
	}
	return errs.Fields(all...)
}

// prepare makes the files and folders of an attempt that was just claimed.
func prepare(folder string, s Spec) error {
	for _, name := range s.Folders {
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			return err
		}
	}
	if len(s.Files) == 0 {
		return nil
	}
	if err := os.Mkdir(filepath.Join(folder, filesFolder), 0o700); err != nil {
		return err
	}
	for _, f := range s.Files {
		if err := os.WriteFile(FilePath(folder, f.Name), []byte(f.Content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// removeFiles removes the files of an attempt of which nothing runs any more.
func removeFiles(folder string) error {
	err := os.RemoveAll(filepath.Join(folder, filesFolder))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
