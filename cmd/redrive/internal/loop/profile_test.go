package loop

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
)

// profile writes where time and memory go into a folder, from now until the
// returned function is called; nothing without a folder. The flags of go test
// do not do: the NATS server switches the block profile off when it starts.
func profile(dir string) (stop func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		return nil, err
	}
	runtime.SetBlockProfileRate(10_000) // nanoseconds
	runtime.SetMutexProfileFraction(10)
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		all := []error{f.Close()}
		for _, name := range []string{"allocs", "block", "mutex", "goroutine"} {
			all = append(all, writeProfile(filepath.Join(dir, name+".pprof"), name))
		}
		return errors.Join(all...)
	}, nil
}

func writeProfile(file, name string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(name).WriteTo(f, 0), f.Close())
}
