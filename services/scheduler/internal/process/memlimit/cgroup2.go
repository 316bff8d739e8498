package memlimit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cgroup2 makes groups of version 2.
type cgroup2 struct{ parent string }

// leaf is the group into which this process moves where only groups without
// processes may hand a controller down.
const leaf = "redrive-serve"

func findCgroup2() (Driver, error) {
	m, err := findMount(2)
	if err != nil {
		return nil, err
	}
	folder, ok := m.place()
	if !ok {
		return nil, errors.New("the memory controller is not delegated to this process; with systemd, set Delegate=memory and DelegateSubgroup=serve")
	}
	if err := delegate(folder); err != nil {
		return nil, fmt.Errorf("%s: %w", folder, err)
	}
	d := cgroup2{folder}
	return d, probe(d)
}

// place is the folder below which this process may make groups: what is
// mounted, when the own group is just that, as in a container or outside of
// every service; or the group around the own one, where an administrator gave
// it away (Delegate= and DelegateSubgroup= of systemd).
func (m mount) place() (folder string, ok bool) {
	if m.own == m.point {
		return m.own, true
	}
	parent := filepath.Dir(m.own)
	return parent, filepath.Base(m.own) == leaf || delegated(parent)
}

// delegated reports whether systemd gave the group away.
func delegated(folder string) bool {
	for _, attribute := range []string{"trusted.delegate", "user.delegate"} {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(folder, attribute, value); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// delegate hands the memory controller down from folder to the groups in it.
func delegate(folder string) error {
	if has, err := lists(folder, "cgroup.controllers", "memory"); err != nil || !has {
		return errors.Join(err, errors.New("has no memory controller"))
	}
	if has, err := lists(folder, "cgroup.subtree_control", "memory"); err != nil || has {
		return err
	}
	err := write(folder, "cgroup.subtree_control", "+memory")
	if !errors.Is(err, syscall.EBUSY) {
		return err
	}
	// Processes and groups with limits may not be in one folder. This process
	// makes room when it is alone, as in its own container; it moves no others.
	text, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	if err != nil {
		return err
	}
	self := strconv.Itoa(os.Getpid())
	if !slices.Equal(strings.Fields(string(text)), []string{self}) {
		return errors.New("other processes are in the group, so that it cannot have groups with limits")
	}
	room := filepath.Join(folder, leaf)
	if err := os.Mkdir(room, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := write(room, "cgroup.procs", self); err != nil {
		return err
	}
	return write(folder, "cgroup.subtree_control", "+memory")
}

func lists(folder, file, word string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(folder, file))
	return slices.Contains(strings.Fields(string(text)), word), err
}

// Place implements Driver.
func (d cgroup2) Place() Place { return Place{Cgroup2, d.parent} }

// Open implements Driver.
func (d cgroup2) Open(name string, limit int64) (Group, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	g := &group2{folder: filepath.Join(d.parent, name), limit: limit}
	if err := os.Mkdir(g.folder, 0o755); err != nil {
		return nil, err
	}
	if err := g.setLimit(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// Reclaim implements Driver.
func (d cgroup2) Reclaim(name string) error {
	return reclaim(d.parent, name, func(folder string) error { return write(folder, "cgroup.kill", "1") })
}

type group2 struct {
	folder string
	limit  int64
}

func (g *group2) setLimit() error {
	// A kernel with this file also starts processes inside of a group.
	if _, err := os.Stat(filepath.Join(g.folder, "cgroup.kill")); err != nil {
		return fmt.Errorf("the kernel is older than 5.14: %w", err)
	}
	if g.limit == 0 {
		return nil
	}
	if err := write(g.folder, "memory.max", strconv.FormatInt(g.limit, 10)); err != nil {
		return err
	}
	// Without swap the limit is what it says; and a tree with a hole in it is
	// killed as a whole. Kernels without swap lack the first file.
	for file, value := range map[string]string{"memory.swap.max": "0", "memory.oom.group": "1"} {
		if err := write(g.folder, file, value); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Start implements Group.
func (g *group2) Start(start func(*syscall.SysProcAttr) error) error {
	folder, err := os.Open(g.folder)
	if err != nil {
		return err
	}
	defer folder.Close() //nolint:errcheck // nothing was written
	return start(&syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())})
}

// Sample implements Group.
func (g *group2) Sample() (Sample, error) {
	stat, err := readKeyed(g.folder, "memory.stat", "anon")
	if err != nil {
		return Sample{}, err
	}
	s := Sample{Anonymous: max(stat[0], 0)}
	events, err := readKeyed(g.folder, "memory.events", "oom_kill", "max")
	if err != nil || events[0] <= 0 {
		return s, err
	}
	s.AtLimit = g.limit > 0 && events[1] > 0
	s.Exceeded = proof("memory.events", events[0], fmt.Sprintf("max %d", events[1]), g.limit, s.AtLimit)
	return s, nil
}

// Kill implements Group.
func (g *group2) Kill() error { return write(g.folder, "cgroup.kill", "1") }

// Close implements Group.
func (g *group2) Close() error { return remove(g.folder) }
