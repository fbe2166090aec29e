//go:build !linux

package stream_test

import "os"

func datasync(f *os.File) error { return f.Sync() }
