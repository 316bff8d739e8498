package memlimit

import (
	"os"
	"path/filepath"
	"testing"
)

const (
	v1Mounts = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`
	v2Mounts = `30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
`
	dockerMounts = `700 600 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
`
	oddMounts = `30 23 0:26 / /mnt/my\040groups rw - cgroup2 none rw
`
)

func TestParseMount(t *testing.T) {
	for _, tc := range []struct {
		name, mounts, groups string
		version              int
		want                 mount
	}{
		{"version 1", v1Mounts, "9:name=systemd:/\n4:memory:/a/b\n0::/\n", 1, mount{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/a/b"}},
		{"version 1 together with others", v1Mounts, "4:cpu,memory:/a\n", 1, mount{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/a"}},
		{"version 2 beside it", v1Mounts, "4:memory:/a/b\n0::/\n", 2, mount{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified"}},
		{"version 2", v2Mounts, "0::/system.slice/redrive.service/serve\n", 2, mount{"/sys/fs/cgroup", "/sys/fs/cgroup/system.slice/redrive.service/serve"}},
		{"version 2 has no version 1", v2Mounts, "0::/x\n", 1, mount{}},
		{"a container", dockerMounts, "4:memory:/docker/abc/x\n", 1, mount{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/x"}},
		{"a container's own", dockerMounts, "4:memory:/docker/abc\n", 1, mount{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory"}},
		{"another container with a longer name", dockerMounts, "4:memory:/docker/abcd\n", 1, mount{}},
		{"outside of what is mounted", v2Mounts, "0::/../x\n", 2, mount{}},
		{"a space in the path", oddMounts, "0::/x\n", 2, mount{"/mnt/my groups", "/mnt/my groups/x"}},
		{"nothing", "", "", 2, mount{}},
	} {
		got, err := parseMount(tc.mounts, tc.groups, tc.version)
		if got != tc.want || (err == nil) != (tc.want != mount{}) {
			t.Errorf("%s: parseMount = %+v, %v, want %+v", tc.name, got, err, tc.want)
		}
	}
}

func FuzzParseMount(f *testing.F) {
	f.Add(v1Mounts, "4:memory:/a/b\n", 1)
	f.Add(v2Mounts, "0::/x\n", 2)
	f.Add(dockerMounts, "4:memory:/docker/abc/..\n", 1)
	f.Fuzz(func(t *testing.T, mounts, groups string, version int) {
		m, err := parseMount(mounts, groups, version)
		if err != nil {
			return
		}
		if rel, err := filepath.Rel(m.point, m.own); err == nil && (rel == ".." || len(rel) > 2 && rel[:3] == "../") {
			t.Errorf("parseMount(%q, %q) = %+v: the own group is outside of the mount", mounts, groups, m)
		}
	})
}

func TestReadKeyed(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "f"), []byte("a 1\nab 2\nmax max\nlast 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readKeyed(folder, "f", "ab", "none", "last")
	if err != nil || got[0] != 2 || got[1] != -1 || got[2] != 3 {
		t.Errorf("readKeyed = %v, %v, want 2, -1, 3", got, err)
	}
	if _, err := readKeyed(folder, "f", "max"); err == nil {
		t.Error("a value that is no number gave no error")
	}
	if _, err := readKeyed(folder, "g", "a"); err == nil {
		t.Error("a file that is not there gave no error")
	}
}

func TestDelegate(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := delegate(folder); err == nil {
		t.Error("a folder that is no group was taken")
	}
	file("cgroup.controllers", "cpu pids\n")
	if err := delegate(folder); err == nil {
		t.Error("a group without the memory controller was taken")
	}
	file("cgroup.controllers", "cpu memory pids\n")
	file("cgroup.subtree_control", "cpu memory\n")
	if err := delegate(folder); err != nil {
		t.Errorf("a group that hands the memory controller down: %v", err)
	}
}
