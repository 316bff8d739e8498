package memlimit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cgroup1 makes groups of the memory controller of version 1.
type cgroup1 struct{ parent string }

func findCgroup1() (Driver, error) {
	m, err := findMount(1)
	if err != nil {
		return nil, err
	}
	d := cgroup1{m.own}
	return d, probe(d)
}

// Place implements Driver.
func (d cgroup1) Place() Place { return Place{Cgroup1, d.parent} }

// Open implements Driver.
func (d cgroup1) Open(name string, limit int64) (Group, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	m, err := findMount(1)
	if err != nil {
		return nil, err
	}
	g := &group1{folder: filepath.Join(d.parent, name), home: m.own, limit: limit}
	if err := os.Mkdir(g.folder, 0o755); err != nil {
		return nil, err
	}
	if err := g.setLimit(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// Reclaim implements Driver.
func (d cgroup1) Reclaim(name string) error { return reclaim(d.parent, name, killMembers) }

type group1 struct {
	folder, home string
	limit        int64
}

func (g *group1) setLimit() error {
	// A parent may have handed down that its processes wait instead of dying.
	if err := write(g.folder, "memory.oom_control", "0"); err != nil {
		return err
	}
	if g.limit == 0 {
		return nil
	}
	limit := strconv.FormatInt(g.limit, 10)
	if err := write(g.folder, "memory.limit_in_bytes", limit); err != nil {
		return err
	}
	// Without swap the limit is what it says. A kernel that does not count swap
	// has no memsw file.
	err := write(g.folder, "memory.memsw.limit_in_bytes", limit)
	if errors.Is(err, os.ErrNotExist) {
		return write(g.folder, "memory.swappiness", "0")
	}
	return err
}

// Start implements Group. Version 1 knows groups of threads: the calling
// thread joins, and what it starts is in the group too. Memory is charged to
// the group of a process's first thread, which stays outside; so this process
// neither pays for the group nor is killed with it.
func (g *group1) Start(start func(*syscall.SysProcAttr) error) error {
	thread := unix.Gettid()
	if thread == os.Getpid() {
		return errors.New("a memory group cannot be joined by the first thread of a process")
	}
	if err := write(g.folder, "tasks", strconv.Itoa(thread)); err != nil {
		return fmt.Errorf("join memory group: %w", err)
	}
	err := start(&syscall.SysProcAttr{})
	if leave := write(g.home, "tasks", strconv.Itoa(thread)); leave != nil && err == nil {
		err = fmt.Errorf("leave memory group: %w", leave)
	}
	return err
}

// chargeBatch is by how much a group can stay below its limit although the
// kernel cannot give it more: memory is charged in batches.
const chargeBatch = 1 << 20

// Sample implements Group.
func (g *group1) Sample() (Sample, error) {
	stat, err := readKeyed(g.folder, "memory.stat", "total_rss")
	if err != nil {
		return Sample{}, err
	}
	s := Sample{Anonymous: max(stat[0], 0)}
	oom, err := readKeyed(g.folder, "memory.oom_control", "oom_kill")
	if err != nil {
		return Sample{}, err
	}
	if oom[0] <= 0 {
		return s, nil
	}
	// The counter of refused charges stays 0 in some kernels, the highest one
	// does not.
	text, err := os.ReadFile(filepath.Join(g.folder, "memory.max_usage_in_bytes"))
	if err != nil {
		return Sample{}, err
	}
	highest, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return Sample{}, fmt.Errorf("read memory.max_usage_in_bytes: %w", err)
	}
	s.AtLimit = g.limit > 0 && highest > g.limit-chargeBatch
	s.Exceeded = proof("memory.oom_control", oom[0], fmt.Sprintf("max_usage %d bytes", highest), g.limit, s.AtLimit)
	return s, nil
}

// proof says what the kernel counted.
func proof(file string, kills int64, reached string, limit int64, atLimit bool) string {
	text := fmt.Sprintf("%s: oom_kill %d; %s; limit %d bytes", file, kills, reached, limit)
	if !atLimit {
		text += "; the limit that was reached is not the attempt's own but one of a group around it or of the host"
	}
	return text
}

// Kill implements Group.
func (g *group1) Kill() error { return killMembers(g.folder) }

// Close implements Group.
func (g *group1) Close() error { return remove(g.folder) }
