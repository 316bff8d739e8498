package loop

import (
	"os"

	"golang.org/x/sys/unix"
)

// waitForChange blocks until something is made in a folder.
func waitForChange(dir string) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		panic(err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written to it
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		panic(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return // it came before the watch
	}
	if _, err := unix.Read(fd, make([]byte, 4096)); err != nil {
		panic(err)
	}
}
