package pebblestore

import "github.com/cockroachdb/pebble/v2/vfs"

// OpenOn opens a store on another file system than the real one.
func OpenOn(dir string, o Options, files vfs.FS) (*Store, error) {
	p := settings(o)
	p.FS = files
	return open(dir, o, p)
}
