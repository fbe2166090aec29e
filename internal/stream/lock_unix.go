//go:build unix && !solaris && !aix

package stream

import (
	"os"
	"syscall"
)

// dirLock keeps a second process off the directory: the engine has no lock of its own, and two of
// them on the same files destroy them. The system drops it when the process dies.
type dirLock struct{ file *os.File }

func lockDir(path string) (*dirLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return &dirLock{file: f}, nil
}

func (l *dirLock) release() { l.file.Close() }
