package status

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
)

const (
	bootMounts = "1 1 179:2 / / rw - ext4 /dev/root rw\n2 1 179:1 / /boot/firmware rw - vfat /dev/mmcblk0p1 rw\n"
	mountsPath = "/proc/self/mountinfo"
)

// board is a node whose card has a boot partition. Its clock is that of the test's bubble.
func board(t *testing.T) (*hosttest.Host, *BootFile) {
	t.Helper()
	h := hosttest.New(t, map[string]string{"/boot/firmware/": "", mountsPath: bootMounts})
	h.Host.Clock = host.Wall{}
	return h, NewBootFile(h.Host, func() []netip.Addr { return nil }, func(err error) { t.Errorf("it complains: %v", err) })
}

// runs has the file kept until the test's end.
func runs(t *testing.T, b *BootFile) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
}

// state is the line of the file that says where the node stands.
func state(h *hosttest.Host) string {
	for line := range strings.Lines(h.Read(BootPath)) {
		if words, is := strings.CutPrefix(line, "State:     "); is {
			return strings.TrimSpace(words)
		}
	}
	return ""
}

func TestTheFileOnTheBootPartitionFollowsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := board(t)
		h.Write(BootPath, string(Unstarted("n1")))
		after := func(d time.Duration, want string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if got := state(h); got != want {
				t.Errorf("it says %q, want %q", got, want)
			}
		}
		b.Tell(BootText{Who: "n1", Words: "starting"})
		runs(t, b)
		after(0, "starting") // in place of what the builder wrote
		for _, words := range []string{"waiting for n2 and n3", "waiting for n3", "waiting for n2"} {
			b.Tell(BootText{Who: "n1", Words: words})
			after(time.Second, "starting")
		}
		after(time.Minute, "waiting for n2")
		b.Tell(BootText{Who: "n1", Words: "card: failed: it is gone", Urgent: true})
		after(0, "card: failed: it is gone")
		b.Tell(BootText{Who: "n1", Words: "ready", Urgent: true})
		after(0, "ready")
	})
}

// A node that fails every 15 seconds is started again, and fails.
func TestTheSameAgainIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := board(t)
		fails := BootText{Who: "n1", Words: "step 2/10 card: failed: it is gone", Urgent: true}
		b.Tell(fails)
		b.Write()
		before := h.Read(BootPath)
		for range 5 {
			time.Sleep(15 * time.Second)
			again := NewBootFile(h.Host, b.addresses, b.complain)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			again.Tell(BootText{Who: "n1", Words: "starting"})
			go func() { defer close(done); again.Run(ctx) }()
			synctest.Wait()
			again.Tell(fails)
			cancel()
			<-done
		}
		if got := h.Read(BootPath); got != before {
			t.Errorf("it was written again:\n%s", got)
		}
	})
}

func TestAnAddressIsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := board(t)
		var connected atomic.Bool
		b.addresses = func() []netip.Addr {
			if connected.Load() {
				return addresses("192.168.2.5")
			}
			return nil
		}
		b.Tell(BootText{Who: "n1", Words: "waiting"})
		runs(t, b)
		connected.Store(true)
		time.Sleep(2 * time.Minute)
		if got := h.Read(BootPath); !strings.Contains(got, "Addresses: 192.168.2.5\r\n") {
			t.Errorf("got\n%s", got)
		}
	})
}

func TestWhereThereIsNoBootPartitionNothingIsWritten(t *testing.T) {
	for name, mounts := range map[string]string{
		"not mounted":      strings.Split(bootMounts, "\n")[0] + "\n",
		"mounted to read":  strings.Replace(bootMounts, "/boot/firmware rw", "/boot/firmware ro", 1),
		"another system's": strings.Replace(bootMounts, "vfat", "ext4", 1),
	} {
		h, b := board(t)
		h.Write(mountsPath, mounts)
		b.Tell(BootText{Who: "n1", Words: "ready", Urgent: true})
		b.Run(t.Context())
		b.Write()
		if got := h.Read(BootPath); got != "" {
			t.Errorf("%s: it says\n%s", name, got)
		}
	}
}

func TestAFileThatCannotBeWrittenIsSaidOnce(t *testing.T) {
	h, b := board(t)
	h.Write(BootPath+"/", "") // a folder has its name
	var said []string
	b.complain = func(err error) { said = append(said, err.Error()) }
	b.Tell(BootText{Who: "n1", Words: "ready"})
	b.Write()
	b.Write()
	if len(said) != 1 || said[0] != "cannot open /boot/firmware/berry-status.txt: is a directory" {
		t.Errorf("it says %q", said)
	}
}
