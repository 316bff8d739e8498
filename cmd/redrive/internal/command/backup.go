package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) backup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store of a server, running or not, to a file",
		Long: `Copy the store of a server to a file: everything that Redrive knows, as it is at
one moment. The server may run and be used meanwhile; without one, the store of
the data folder is copied. The file is read back and checked before it gets its
name; one that exists already is left alone.

"redrive restore" makes a store of it again.`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			size, err := a.backupTo(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			a.say("%s has %s", args[0], screen.Bytes(size))
			return nil
		},
	}
}

func (a *app) restore() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Make the store of a data folder of a backup",
		Long: `Make the store of a data folder of a backup, which is read whole and checked. The
folder has no server and no store: to go back in time, stop the server and move
the folder "store" away first. Events that were still to be delivered there are
removed, since the store has them. What ran or ended since the backup is found
in the folder "attempts", if it is left in place.

docs/operations.md says what a restore means for jobs that went on meanwhile.`,
		Args: takes(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			folder, err := a.folder()
			if err != nil {
				return err
			}
			if err := restoreTo(folder, args[0]); err != nil {
				return err
			}
			a.say("restored to %s; start it with \"redrive serve\"", folder)
			return nil
		},
	}
}

func restoreTo(folder home.Folder, path string) (err error) {
	lock, err := folder.Open() // so that no server runs
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := pebblestore.Restore(path, folder.Store()); err != nil {
		return err
	}
	if err := os.RemoveAll(folder.Events()); err != nil {
		return fmt.Errorf("remove the events from before the restore: %w", err)
	}
	return nil
}

// backupTo makes the file at path, whole or not at all.
func (a *app) backupTo(ctx context.Context, path string) (size int64, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return 0, usagef("%s exists already; give the backup another name", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // readable by this user alone
	if err != nil {
		return 0, usagef("%v", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	size, err = a.copyStore(ctx, file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return 0, err
	}
	if err := pebblestore.Verify(file.Name()); err != nil {
		return 0, fmt.Errorf("the backup is no good: %w", err)
	}
	if err := os.Link(file.Name(), path); err != nil { // a rename would replace
		return 0, fmt.Errorf("name the backup: %w", err)
	}
	return size, errors.Join(os.Remove(file.Name()), syncFolder(filepath.Dir(path)))
}

// copyStore copies the store of the server, or that of the data folder where
// none is served.
func (a *app) copyStore(ctx context.Context, w io.Writer) (int64, error) {
	conn, err := a.dial()
	if !errs.Is(err, errs.NotFound) {
		if err != nil {
			return 0, err
		}
		return receive(ctx, redrivev1.NewBackupServiceClient(conn), w)
	}
	folder, err := a.folder()
	if err != nil {
		return 0, err
	}
	return copyOffline(folder, w)
}

func copyOffline(folder home.Folder, w io.Writer) (size int64, err error) {
	if _, err := os.Stat(folder.Store()); err != nil {
		return 0, errs.New(errs.NotFound, "there is no store in the data folder: %w; name another with --data, or a server with --server", err)
	}
	lock, err := folder.Open() // so that no server starts meanwhile
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	store, err := pebblestore.Open(folder.Store(), pebblestore.Options{})
	if err != nil {
		return 0, err
	}
	size, err = store.Backup(w)
	return size, errors.Join(err, store.Close())
}

// receive writes the pieces of a backup to w.
func receive(ctx context.Context, c redrivev1.BackupServiceClient, w io.Writer) (int64, error) {
	pieces, err := c.Backup(ctx, &redrivev1.BackupRequest{})
	if err != nil {
		return 0, err
	}
	var size, got int64
	for {
		piece, err := pieces.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		size = max(size, piece.GetSizeBytes())
		n, err := w.Write(piece.GetData())
		if got += int64(n); err != nil {
			return 0, fmt.Errorf("write the backup: %w", err)
		}
	}
	if got != size || size == 0 {
		return 0, errs.New(errs.Unavailable, "the server sent %d of %d bytes; try again", got, size)
	}
	return size, nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
