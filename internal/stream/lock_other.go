//go:build !unix || solaris || aix

package stream

import "os"

// dirLock keeps a second process off the directory by the existence of a file. Where the system has
// no lock that dies with its process, the file must be removed by hand after a crash.
type dirLock struct{ path string }

func lockDir(path string) (*dirLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &dirLock{path: path}, f.Close()
}

func (l *dirLock) release() { os.Remove(l.path) }
