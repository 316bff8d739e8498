package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// pieceBytes is how much of a backup is sent at a time.
const pieceBytes = 256 << 10

// backups implements redrivev1.BackupServiceServer.
type backups struct {
	redrivev1.UnimplementedBackupServiceServer
	store  any    // may be able to copy itself
	folder string // of this process, for the copy
	one    sync.Mutex
}

// copier is a store that can copy itself.
type copier interface {
	Backup(w io.Writer) (int64, error)
}

// Backup implements redrivev1.BackupServiceServer. The store is copied to a file
// first, which takes no longer than the disk needs: whoever reads slowly must not
// hold it up.
func (b *backups) Backup(_ *redrivev1.BackupRequest, pieces grpc.ServerStreamingServer[redrivev1.BackupResponse]) error {
	store, ok := b.store.(copier)
	if !ok {
		return errs.New(errs.FailedPrecondition, "the store is not in this process: back Redis up, as docs/operations.md says")
	}
	if !b.one.TryLock() {
		return errs.Again(10*time.Second, "another backup is being made")
	}
	defer b.one.Unlock()
	file, err := os.CreateTemp(b.folder, "backup-*")
	if err != nil {
		return errs.New(errs.Unavailable, "make a backup: %w", err)
	}
	defer file.Close() //nolint:errcheck // it is gone already
	// Without a name it is gone when this process is, however that ends.
	if err := os.Remove(file.Name()); err != nil {
		return errs.New(errs.Unavailable, "make a backup: %w", err)
	}
	size, err := store.Backup(stopping{pieces.Context(), file})
	if err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return errs.New(errs.Unavailable, "read the backup: %w", err)
	}
	return send(file, size, pieces)
}

// send sends a file in pieces.
func send(file io.Reader, size int64, pieces grpc.ServerStreamingServer[redrivev1.BackupResponse]) error {
	buffer := make([]byte, pieceBytes)
	for {
		n, err := io.ReadFull(file, buffer)
		if n > 0 {
			if err := pieces.Send(&redrivev1.BackupResponse{Data: buffer[:n], SizeBytes: size}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return errs.New(errs.Unavailable, "read the backup: %w", err)
		}
	}
}

// stopping writes until its context ends.
type stopping struct {
	ctx context.Context //nolint:containedctx // io.Writer has none
	io.Writer
}

// Write implements io.Writer.
func (s stopping) Write(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, fmt.Errorf("nobody wants the backup any more: %w", err)
	}
	return s.Writer.Write(b)
}
