package system_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// TestARestoredBackupGoesOn copies the store of a system at work, and starts
// another one on the copy alone, without events and attempts: every job that was
// accepted before the backup comes to its end there.
func TestARestoredBackupGoesOn(t *testing.T) {
	work := t.TempDir()
	o := options(t.TempDir())
	o.RetryPolicy = filepath.Join(work, "policy.yaml")
	if err := os.WriteFile(o.RetryPolicy, []byte("classes:\n  \"*\": {base_delay: 10ms}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := system.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	const jobs = 40
	var names []string
	for n := range jobs {
		names = append(names, submit(t, s, work, n))
	}
	restored := home.Folder(t.TempDir())
	file := filepath.Join(work, "backup")
	backup(t, s, file)
	stop(t, s)
	if err := pebblestore.Restore(file, restored.Store()); err != nil {
		t.Fatal(err)
	}
	o.Data = restored
	again, err := system.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("start on the restored store: %v", err)
	}
	defer stop(t, again)
	for _, name := range names {
		if state := ended(t, again, name); state != redrivev1.Job_STATE_SUCCEEDED {
			t.Errorf("after the restore %s is %v", name, state)
		}
	}
}

// submit submits a job that fails at its first attempt and then succeeds; one
// that was run before the restore succeeds at once.
func submit(t *testing.T, s *system.System, work string, n int) string {
	t.Helper()
	config, err := structpb.NewStruct(map[string]any{"memory_mb": 64})
	if err != nil {
		t.Fatal(err)
	}
	job, err := redrivev1.NewSchedulerServiceClient(s.Conn()).SubmitJob(t.Context(), &redrivev1.SubmitJobRequest{Job: &redrivev1.Job{
		Type: &redrivev1.JobType{Workflow: "w", Step: "s", Engine: "process"}, Config: config,
		Process: &redrivev1.ProcessTask{
			Args: []string{"/bin/sh", "-c", fmt.Sprintf("test -e %d || { touch %[1]d; echo nobody knows this >&2; exit 3; }", n)}, WorkDir: work,
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return job.GetName()
}

// ended waits for the end of a job.
func ended(t *testing.T, s *system.System, name string) redrivev1.Job_State {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes, err := redrivev1.NewSchedulerServiceClient(s.Conn()).WatchJob(ctx, &redrivev1.WatchJobRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	for {
		c, err := changes.Recv()
		if err != nil {
			t.Fatalf("watch %s: %v", name, err)
		}
		switch state := c.GetJob().GetState(); state {
		case redrivev1.Job_STATE_SUCCEEDED, redrivev1.Job_STATE_FAILED, redrivev1.Job_STATE_CANCELLED:
			return state
		}
	}
}

// backup writes what the service sends to a file.
func backup(t *testing.T, s *system.System, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	pieces, err := redrivev1.NewBackupServiceClient(s.Conn()).Backup(t.Context(), &redrivev1.BackupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var size, want int64
	for {
		piece, err := pieces.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want = max(want, piece.GetSizeBytes())
		n, err := file.Write(piece.GetData())
		if err != nil {
			t.Fatal(err)
		}
		size += int64(n)
	}
	if err := file.Close(); err != nil || size != want {
		t.Fatalf("%d bytes of %d came (%v)", size, want, err)
	}
	left, err := filepath.Glob(filepath.Join(string(s.Folder()), "backup-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("the backup left %v behind (%v)", left, err)
	}
}
