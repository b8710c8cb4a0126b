package qemu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"berries/firstboot/host"
)

// Login is how to log in to a machine.
type Login struct {
	User    string
	Key     string // file of the private key, mode 0600
	HostKey string // what the machine must prove to be: a line such as "ssh-ed25519 AAAA…"
}

// unreachable is ssh's own exit code, as against the command's.
const unreachable = 255

// SSH runs a shell command on the machine and returns what it prints. It needs
// Options.Network or LAN, and tries again until the machine answers or ctx ends. The
// machine must prove that it has the host key.
func (m *Machine) SSH(ctx context.Context, l Login, command string) (string, error) {
	known := filepath.Join(m.dir, "known_hosts")
	if err := os.WriteFile(known, []byte("machine "+l.HostKey+"\n"), 0o600); err != nil {
		return "", err
	}
	cmd := host.Command("ssh", "-F", "none", "-i", l.Key, "-l", l.User, "-p", strconv.Itoa(m.port),
		"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "HostKeyAlias=machine", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=none", "-o", "UserKnownHostsFile="+known,
		"-o", "ConnectTimeout=30", "127.0.0.1", command)
	for {
		res, err := host.Exec{}.Run(ctx, cmd)
		if host.ExitCode(err) != unreachable || refused(err) {
			return string(res.Stdout), err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return "", fmt.Errorf("cannot log in: %w", err)
		case <-m.stopped:
			return "", fmt.Errorf("cannot log in to a machine that has stopped: %w", err)
		}
	}
}

// refused tells whether there is no point in trying again.
func refused(err error) bool {
	for _, words := range []string{"Permission denied", "Host key verification failed"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}
