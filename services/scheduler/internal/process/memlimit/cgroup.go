package memlimit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

// mount is one hierarchy of control groups as this process sees it.
type mount struct {
	point string // where it is mounted
	own   string // the folder of this process's own group
}

// findMount finds the hierarchy of version 2, or that of version 1 with the
// memory controller.
func findMount(version int) (mount, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return mount{}, err
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return mount{}, err
	}
	return parseMount(string(mounts), string(groups), version)
}

// parseMount reads the texts of /proc/self/mountinfo and /proc/self/cgroup.
func parseMount(mounts, groups string, version int) (mount, error) {
	path, err := parseOwn(groups, version)
	if err != nil {
		return mount{}, err
	}
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) < 5 || len(right) < 3 {
			continue
		}
		isOurs := right[0] == "cgroup2" && version == 2 ||
			right[0] == "cgroup" && version == 1 && hasWord(right[2], ",", "memory")
		if !isOurs {
			continue
		}
		root, point := unescape(left[3]), unescape(left[4])
		below, ok := strings.CutPrefix(path, strings.TrimSuffix(root, "/"))
		if !ok || below != "" && below[0] != '/' || hasWord(below, "/", "..") {
			continue // the own group is outside of what is mounted here
		}
		return mount{point: point, own: filepath.Join(point, below)}, nil
	}
	return mount{}, fmt.Errorf("no mounted hierarchy has the own control group %s", path)
}

// parseOwn returns the path of the own group within its hierarchy.
func parseOwn(groups string, version int) (string, error) {
	for line := range strings.Lines(groups) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 || !strings.HasPrefix(parts[2], "/") {
			continue
		}
		if version == 2 && parts[0] == "0" || version == 1 && hasWord(parts[1], ",", "memory") {
			return parts[2], nil
		}
	}
	return "", errors.New("the kernel has no such hierarchy with the memory controller")
}

func hasWord(list, separator, word string) bool {
	for part := range strings.SplitSeq(list, separator) {
		if part == word {
			return true
		}
	}
	return false
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

func write(folder, file, value string) error {
	f, err := os.OpenFile(filepath.Join(folder, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// readKeyed reads a file with one "key value" a line and returns the values
// of keys in their order; -1 for one that is not there.
func readKeyed(folder, file string, keys ...string) ([]int64, error) {
	text, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		return nil, err
	}
	values := make([]int64, len(keys))
	for i, key := range keys {
		values[i] = -1
		for line := range bytes.Lines(text) {
			name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
			if string(name) != key {
				continue
			}
			if values[i], err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return nil, fmt.Errorf("read %s in %s: %w", key, file, err)
			}
		}
	}
	return values, nil
}

// subgroups returns folder and the groups below it, the deepest first: a
// program that may, makes groups of its own.
func subgroups(folder string) ([]string, error) {
	var all []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			all = append([]string{path}, all...)
		}
		return err
	})
	return all, err
}

// killMembers sends SIGKILL to every process of the group and below.
func killMembers(folder string) error {
	groups, err := subgroups(folder)
	if err != nil {
		return err
	}
	boot, err := proctree.BootID()
	if err != nil {
		return err
	}
	for _, group := range groups {
		text, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		if err != nil {
			continue // removed meanwhile
		}
		for field := range bytes.FieldsSeq(text) {
			pid, err := strconv.Atoi(string(field))
			if err != nil || pid <= 0 || pid == os.Getpid() {
				continue
			}
			s, err := proctree.ReadStat(pid)
			if err != nil {
				continue // gone
			}
			err = proctree.Identity{PID: pid, Start: s.Start, Boot: boot}.Signal(syscall.SIGKILL)
			if err != nil && !errors.Is(err, os.ErrProcessDone) {
				return fmt.Errorf("kill process %d: %w", pid, err)
			}
		}
	}
	return nil
}

// removeTries bounds how often remove tries, with removePause between.
const (
	removeTries = 100
	removePause = 10 * time.Millisecond
)

// remove removes an empty group and those below it. The kernel may call a group
// busy for a moment after its last process has ended.
func remove(folder string) error {
	var err error
	for range removeTries {
		var groups []string
		if groups, err = subgroups(folder); err != nil {
			return err
		}
		for _, group := range groups {
			if e := syscall.Rmdir(group); e != nil && !errors.Is(e, syscall.ENOENT) {
				err = &os.PathError{Op: "rmdir", Path: group, Err: e}
				break
			}
		}
		if err == nil || !errors.Is(err, syscall.EBUSY) {
			return err
		}
		time.Sleep(removePause)
	}
	return err
}

// reclaim kills what is in the group and removes it.
func reclaim(parent, name string, kill func(folder string) error) error {
	if err := checkName(name); err != nil {
		return err
	}
	folder := filepath.Join(parent, name)
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := kill(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return remove(folder)
}

// probe tries whether groups can be made, limited, measured and removed below
// the driver's folder.
func probe(d Driver) error {
	g, err := d.Open(fmt.Sprintf("redrive-probe-%d-%d", os.Getpid(), time.Now().UnixNano()), 1<<30)
	if err != nil {
		return err
	}
	_, err = g.Sample()
	return errors.Join(err, g.Close())
}
