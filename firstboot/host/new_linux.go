package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// New is the Host of a real node, whose file tree starts at root. Every command
// that a step runs is told to log, which may be nil.
func New(root string, log func(line string)) (*Host, error) {
	files, err := OpenFiles(root)
	if err != nil {
		return nil, err
	}
	return &Host{
		Files: files,
		// Answers are parsed: they must not come in the node's language.
		Runner:      Exec{Env: append(os.Environ(), "LC_ALL=C"), Log: log},
		Units:       Systemd{},
		Clock:       Wall{},
		SetHostname: func(name string) error { return unix.Sethostname([]byte(name)) },
	}, nil
}
