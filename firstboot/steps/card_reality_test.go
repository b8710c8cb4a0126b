package steps

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
)

// reality is a machine whose card changes when the commands of the step are run
// on it, as the real ones do: each changes one thing, and only where the thing
// before it has been changed. It is a host.Runner.
type reality struct {
	sd
	host *hosttest.Host
	ran  []string // what changed something
	t    *testing.T
}

// Run implements host.Runner.
func (r *reality) Run(_ context.Context, cmd host.Cmd) (host.Result, error) {
	r.t.Helper()
	typed := cmd.String()
	if typed == "sfdisk --json /dev/mmcblk0" {
		return host.Result{Stdout: []byte(r.sfdisk().Stdout)}, nil
	}
	switch typed {
	case writesTable:
		r.write(cmd.Stdin)
	case "partx --update --nr 3 /dev/mmcblk0":
		r.kernel, typed = r.table, "partx"
	case "resize2fs /dev/mmcblk0p3":
		if r.mount == "" {
			r.t.Error("resize2fs ran on a filesystem that is not mounted")
		}
		r.filesystem, typed = r.kernel, "resize2fs"
	default:
		r.t.Errorf("this command was not expected: %s", typed)
	}
	r.ran = append(r.ran, typed)
	r.put(r.host)
	return host.Result{}, nil
}

// write takes the line that sfdisk gets.
func (r *reality) write(stdin io.Reader) {
	line, err := io.ReadAll(stdin)
	if err != nil {
		r.t.Fatal(err)
	}
	var at int64
	if _, err := fmt.Fscanf(strings.NewReader(string(line)), "start=%d, size=%d\n", &at, &r.table); err != nil || at != start {
		r.t.Errorf("sfdisk got %q", line)
	}
}

// mountBrick is what comes of starting export.mount.
func (r *reality) mountBrick(string) error {
	r.mount = mounted
	r.put(r.host)
	return nil
}
