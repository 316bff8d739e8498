package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failpoint"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/memlimit"
)

// launch is what a supervisor reads from its standard input. It is on no disk:
// environments hold secrets.
type launch struct {
	Version  int            `json:"version"`
	ID       ID             `json:"id"`
	Folder   string         `json:"folder"`
	Spec     Spec           `json:"spec"`
	Memory   memlimit.Place `json:"memory"`
	Grace    time.Duration  `json:"grace_ns"`
	LogBytes int64          `json:"log_bytes"`
	Node     string         `json:"node"`
	// Fence is the file of the fence, empty when there is none.
	Fence      string        `json:"fence,omitempty"`
	FenceLimit time.Duration `json:"fence_limit_ns,omitempty"`
}

// maxLaunch bounds a launch in bytes; the kernel takes 2 MiB of arguments and
// environment unless it is told otherwise.
const maxLaunch = 16 << 20

func (l launch) check() error {
	switch {
	case l.Version != recordVersion:
		return fmt.Errorf("version %d is not %d", l.Version, recordVersion)
	case !filepath.IsAbs(l.Folder):
		return fmt.Errorf("folder %q is not absolute", l.Folder)
	case l.Grace <= 0 || l.LogBytes <= 0 || l.Fence != "" && (l.FenceLimit <= 0 || l.Spec.NotAfter <= 0):
		return errors.New("a bound is not positive")
	}
	return errs.Fields(l.ID.Validate(), l.Spec.Validate())
}

func readLaunch(r io.Reader) (launch, error) {
	var l launch
	text, err := io.ReadAll(io.LimitReader(r, maxLaunch))
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, err
	}
	return l, l.check()
}

// What a supervisor answers, one line on file descriptor 3.
const (
	answerClaimed = "claimed"
	answerTaken   = "taken" // somebody else claimed the attempt before
	answerError   = "error: "
)

// answerFD is where a supervisor answers.
const answerFD = 3

// Validate names what is wrong with s: an Invalid error. What it accepts can
// still fail to start, which is the attempt's end.
func (s Spec) Validate() error {
	var all []error
	if len(s.Args) == 0 || s.Args[0] == "" {
		all = append(all, errs.Field("args", "must begin with a program"))
	}
	for i, arg := range s.Args {
		if strings.ContainsRune(arg, 0) || !utf8.ValidString(arg) {
			all = append(all, errs.Field(fmt.Sprintf("args[%d]", i), "must be UTF-8 without a zero byte"))
		}
	}
	for i, entry := range s.Env {
		if name, _, ok := strings.Cut(entry, "="); !ok || name == "" || strings.ContainsRune(entry, 0) || !utf8.ValidString(entry) {
			all = append(all, errs.Field(fmt.Sprintf("env[%d]", i), "must be NAME=value in UTF-8 without a zero byte"))
		}
	}
	if s.WorkDir != "" && !filepath.IsAbs(s.WorkDir) || strings.ContainsRune(s.WorkDir, 0) || !utf8.ValidString(s.WorkDir) {
		all = append(all, errs.Field("work_dir", "%q is not an absolute path", s.WorkDir))
	}
	all = append(all, checkFiles(s))
	if s.MemoryLimit < 0 {
		all = append(all, errs.Field("memory_limit", "%d is negative", s.MemoryLimit))
	}
	if s.NotAfter < 0 {
		all = append(all, errs.Field("not_after", "%d is negative", s.NotAfter))
	}
	if s.RunTimeout < 0 {
		all = append(all, errs.Field("run_timeout", "%s is negative", s.RunTimeout))
	}
	return errs.Fields(all...)
}

// Start starts attempt id and returns when its supervisor has claimed it. At
// most one execution per id ever happens, whoever calls and however often: it
// is no error to start an id that runs, has ended, or was killed before; the
// Spec of the call that wins is the one that runs. After any error it is right
// to call Start again with the same id. Errors: Invalid for what can never
// start; Unavailable when the supervisor could not be started or could not
// claim, or when it is too late for it (Spec.NotAfter). A program that cannot be started is no error but the attempt's end:
// NOT_STARTED.
func (e *Executor) Start(ctx context.Context, id ID, s Spec) error {
	if err := errs.Fields(id.Validate(), s.Validate()); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(e.folder(id), claimFile)); err == nil {
		return nil
	}
	if s.NotAfter != 0 && Now() > s.NotAfter {
		return errs.New(errs.Unavailable, "%s could not be started in time: the scheduler's lease is not renewed", id)
	}
	folder, err := e.makeFolder(id)
	if err != nil {
		return errs.New(errs.Unavailable, "make the folder of %s: %w", id, err)
	}
	l := launch{
		Version: recordVersion, ID: id, Folder: folder, Spec: s, Memory: e.memory.Place(),
		Grace: e.options.Grace, LogBytes: e.options.LogBytes, Node: e.node,
	}
	if f := e.options.Fence; f != nil {
		l.Fence, l.FenceLimit = f.path, f.limit
	}
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write the launch of %s: %w", id, err)
	}
	if len(text) > maxLaunch {
		return errs.Field("args", "arguments and environment have %d bytes, more than %d", len(text), maxLaunch)
	}
	answer, err := e.spawn(ctx, folder, text)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return errs.New(errs.Unavailable, "start the supervisor of %s: %w", id, err)
	}
	switch reason, failed := strings.CutPrefix(answer, answerError); {
	case failed:
		return errs.New(errs.Unavailable, "claim %s: %s", id, reason)
	case answer == answerClaimed || answer == answerTaken:
		return nil
	}
	return errs.New(errs.Unavailable, "the supervisor of %s ended before it claimed; %s may say why",
		id, filepath.Join(folder, ownLog))
}

// spawn starts a supervisor and returns the line that it answers.
func (e *Executor) spawn(ctx context.Context, folder string, launch []byte) (answer string, err error) {
	output, err := os.OpenFile(filepath.Join(folder, ownLog), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return "", err
	}
	defer output.Close() //nolint:errcheck // the supervisor has its own
	read, write, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer read.Close() //nolint:errcheck // it is only read
	command := append(append([]string(nil), e.options.Supervisor...), folder)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(launch)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{write}
	// In a session of its own it is reached neither by the terminal's signals
	// nor by the end of this process.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	failpoint.Hit("executor.spawn.before")
	err = cmd.Start()
	write.Close() //nolint:errcheck // the supervisor has its own
	if err != nil {
		return "", err
	}
	failpoint.Hit("executor.spawn.after")
	go cmd.Wait()                                                                    //nolint:errcheck // how the attempt ended is on disk; this only reaps
	stop := context.AfterFunc(ctx, func() { read.SetReadDeadline(time.Unix(1, 0)) }) //nolint:errcheck // pipes have deadlines
	defer stop()
	answer, err = bufio.NewReader(read).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimSuffix(answer, "\n"), err
}
