package image_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/tools/deploy/image"
)

// insideKey is set for this program where it is to become a container.
const insideKey = "REDRIVE_TEST_CONTAINER"

func TestMain(m *testing.M) {
	if os.Getenv(insideKey) != "" {
		fmt.Fprintln(os.Stderr, "container:", becomeContainer(os.Args[1], os.Args[2], os.Args[3:]))
		os.Exit(125)
	}
	os.Exit(m.Run())
}

// box is an unpacked image and the folder behind its /data.
type box struct {
	root, data string
	config     v1.Config
}

// command prepares the image's entry point with arguments in a container, which
// ends with this process, whatever ends that.
func (b *box) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append(append([]string{b.root, b.data}, b.config.Entrypoint...), args...)...)
	cmd.Env = append(cmd.Env, b.config.Env...)
	cmd.Env = append(cmd.Env, insideKey+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// becomeContainer makes of this process, the first one of new namespaces, what a
// runtime makes of an image: the files are read-only but for /data and /tmp,
// the user is the image's and has no way to become another. Then it becomes the
// program. It returns only what went wrong.
func becomeContainer(root, data string, command []string) error {
	runtime.LockOSThread() // some of this is the thread's, and exec keeps it
	type mount struct {
		source, target, kind string
		flags                uintptr
		options              string
	}
	mounts := []mount{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{root, root, "", unix.MS_BIND, ""},
		{"proc", root + "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"tmpfs", root + "/tmp", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777,size=64m"},
		{data, root + "/data", "", unix.MS_BIND, ""},
		{"", root, "", unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY, ""},
	}
	for _, name := range devices {
		mounts = append(mounts, mount{"/dev/" + name, root + "/dev/" + name, "", unix.MS_BIND, ""})
	}
	for _, m := range mounts {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	for _, step := range []func() error{
		func() error { return unix.Chroot(root) },
		func() error { return unix.Chdir("/data") },
		func() error { return syscall.Setgroups(nil) },
		func() error { return syscall.Setgid(image.User) },
		func() error { return syscall.Setuid(image.User) },
		func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) },
		// To become another user forgot it.
		func() error { return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, insideKey) {
			env = append(env, v)
		}
	}
	return unix.Exec(command[0], command, env)
}

// devices are those of a container.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// makeMountPoints makes what a runtime mounts on.
func makeMountPoints(t *testing.T, root string) {
	t.Helper()
	for _, dir := range []string{"proc", "dev"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range devices {
		if err := os.WriteFile(filepath.Join(root, "dev", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
