package host

import "os"

// WorkingDir opens the working directory of a process, which may have no name any more:
// a filesystem that was unmounted while the process was in it.
func WorkingDir(pid string) (*os.File, error) { return os.Open("/proc/" + pid + "/cwd") }
