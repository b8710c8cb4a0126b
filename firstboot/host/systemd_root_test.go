//go:build root && linux

package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/umltest"
)

// inside marks the copy of this test program that runs as a service of a machine
// with a systemd of its own (package umltest).
const inside = "HOST_TEST_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(inside) == "" {
		os.Exit(m.Run())
	}
	for name, check := range checks {
		if err := check(context.Background()); err != nil {
			fmt.Printf("inside: %s: FAIL: %v\n", name, err)
			continue
		}
		fmt.Printf("inside: %s: ok\n", name)
	}
	fmt.Println("inside: over")
}

// units are what checks works on: each on its own, since they come in any order.
var units = map[string]string{
	"count.service":   "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo x >>/run/count'\n",
	"wanted.service":  "[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
	"stays.service":   "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
	"slow.service":    "[Service]\nType=oneshot\nExecStart=/bin/sleep 1\n",
	"endless.service": "[Service]\nType=oneshot\nExecStart=/bin/sleep 1000\n",
	"broken.service":  "[Service]\nType=oneshot\nExecStart=/bin/false\n",
	"inside.service":  "[Unit]\nAfter=local-fs.target\n[Service]\nExecStart=/opt/host.test\nEnvironment=" + inside + "=1\nStandardOutput=journal+console\n",
}

var checks = map[string]func(ctx context.Context) error{
	"a unit is started once, and again when it is restarted": func(ctx context.Context) error {
		var s host.Systemd
		before, err1 := s.Active(ctx, "count.service")
		err2 := s.Start(ctx, "count.service")
		err3 := s.Start(ctx, "count.service")
		after, err4 := s.Active(ctx, "count.service")
		err5 := s.Restart(ctx, "count.service")
		count, err6 := os.ReadFile("/run/count")
		if before || !after || string(count) != "x\nx\n" {
			return fmt.Errorf("active %v before and %v after, started as often as %q", before, after, count)
		}
		return errors.Join(err1, err2, err3, err4, err5, err6)
	},
	"a unit is stopped, also when it is stopped already": func(ctx context.Context) error {
		var s host.Systemd
		err1 := s.Start(ctx, "stays.service")
		err2 := s.Stop(ctx, "stays.service")
		active, err3 := s.Active(ctx, "stays.service")
		if active {
			return errors.New("it is active")
		}
		return errors.Join(err1, err2, err3, s.Stop(ctx, "stays.service"))
	},
	"start waits until systemd has done it": func(ctx context.Context) error {
		began := time.Now()
		err := host.Systemd{}.Start(ctx, "slow.service")
		if took := time.Since(began); took < time.Second {
			return fmt.Errorf("it took %v, %w", took, err)
		}
		return err
	},
	"start does not wait longer than its context": func(ctx context.Context) error {
		stopped := errors.New("stopped")
		ctx, cancel := context.WithTimeoutCause(ctx, time.Second, stopped)
		defer cancel()
		if err := (host.Systemd{}).Start(ctx, "endless.service"); !errors.Is(err, stopped) {
			return fmt.Errorf("error %w, want %w", err, stopped)
		}
		return nil
	},
	"a unit that fails is an error": func(ctx context.Context) error {
		return says(host.Systemd{}.Start(ctx, "broken.service"),
			`cannot start broken.service: systemd says "failed"; type: journalctl -b -u 'broken.service'`)
	},
	"a unit that is not there is an error": func(ctx context.Context) error {
		active, err := host.Systemd{}.Active(ctx, "nowhere.service")
		if active || err != nil {
			return fmt.Errorf("active: %v, %w", active, err)
		}
		return says(host.Systemd{}.Start(ctx, "nowhere.service"), "cannot start nowhere.service: Unit nowhere.service not found.")
	},
	"an enabled unit is linked": func(ctx context.Context) error {
		err := host.Systemd{}.Enable(ctx, "wanted.service")
		_, missing := os.Lstat("/etc/systemd/system/multi-user.target.wants/wanted.service")
		return errors.Join(err, missing)
	},
	"a unit that was changed is another after a reload": func(ctx context.Context) error {
		const name = "/etc/systemd/system/changing.service"
		var s host.Systemd
		write := func(program string) error {
			return os.WriteFile(name, []byte("[Service]\nType=oneshot\nExecStart="+program+"\n"), 0o644)
		}
		err1 := write("/bin/false")
		if err := s.Start(ctx, "changing.service"); err == nil {
			return errors.New("it did not fail at first")
		}
		err2 := write("/bin/true")
		return errors.Join(err1, err2, s.Reload(ctx), s.Start(ctx, "changing.service"))
	},
	"a masked unit cannot be started": func(ctx context.Context) error {
		if err := (host.Systemd{}).Mask(ctx, "systemd-ask-password-wall.service"); err != nil {
			return err
		}
		return says(host.Systemd{}.Start(ctx, "systemd-ask-password-wall.service"),
			"cannot start systemd-ask-password-wall.service: Unit systemd-ask-password-wall.service is masked.")
	},
}

func says(err error, want string) error {
	if err == nil || err.Error() != want {
		return fmt.Errorf("error %v, want %s", err, want)
	}
	return nil
}

func TestSystemd(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]umltest.File{
		"/opt/host.test": {Content: string(program), Mode: 0o755},
		"/etc/systemd/system/multi-user.target.wants/inside.service": {Content: "-> /etc/systemd/system/inside.service"},
		"/etc/fstab": {Content: "LABEL=rootfs / ext4 defaults 0 1\n"},
	}
	for name, text := range units {
		files["/etc/systemd/system/"+name] = umltest.File{Content: text}
	}
	m := umltest.NewCard(t, 256, files).Boot("")
	passed := 0
	umltest.Until(m, "end of the checks", func(line string) (bool, bool) {
		_, said, _ := strings.Cut(line, "inside: ")
		if strings.Contains(said, ": FAIL: ") {
			t.Error(said)
		}
		if strings.HasSuffix(said, ": ok") {
			passed++
		}
		return true, said == "over"
	})
	if passed != len(checks) {
		t.Errorf("%d of %d checks passed", passed, len(checks))
	}
}
