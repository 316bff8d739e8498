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

// maxFiles bounds Spec.Files.
const maxFiles = 16

var filePattern = regexp.MustCompile(`^[a-z][a-z0-9.-]{0,63}$`)

// Folder returns the folder of attempt id, whether it is there or not.
func (e *Executor) Folder(id ID) string { return e.folder(id) }

// FilePath returns where the program finds a file of Spec.Files; folder is the
// attempt's.
func FilePath(folder, name string) string { return filepath.Join(folder, filesFolder, name) }

func checkFiles(files []File) error {
	var all []error
	if len(files) > maxFiles {
		all = append(all, errs.Field("files", "has %d members, more than %d", len(files), maxFiles))
	}
	for i, f := range files {
		if !filePattern.MatchString(f.Name) {
			all = append(all, errs.Field(fmt.Sprintf("files[%d]", i), "%q is not 1 to 64 of [a-z0-9.-] that starts with a letter", f.Name))
		}
	}
	return errs.Fields(all...)
}

// writeFiles writes the files of an attempt that was just claimed.
func writeFiles(folder string, files []File) error {
	if len(files) == 0 {
		return nil
	}
	if err := os.Mkdir(filepath.Join(folder, filesFolder), 0o700); err != nil {
		return err
	}
	for _, f := range files {
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
