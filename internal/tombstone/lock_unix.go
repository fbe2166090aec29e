//go:build unix && !solaris && !aix

package tombstone

import (
	"os"
	"syscall"
)

// lock keeps other processes from adding at the same place. The system drops it when the process dies.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }

func unlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
