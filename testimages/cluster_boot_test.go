//go:build qemu

package testimages

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berries/testimages/qemu"
)

// clusterLimit is how long three machines may take to become a cluster, on two busy
// cores, with every instruction emulated.
const clusterLimit = 2 * time.Hour

// patient has systemd wait longer for the card: beside two others that are busy, the
// kernel of an emulated machine takes more than the minute and a half for its partitions
// that systemd gives them (systemd(1)).
const patient = "systemd.default_device_timeout_sec=600"

// quiet has systemd say only what fails: its lines, and the stars that it moves about
// while it waits, keep an emulated machine busy.
const quiet = "systemd.show_status=error"

// TestCluster boots the images of the smallest example one after the other, as machines
// on one LAN that nothing else is on, and waits until every one of them serves the
// volume. Each is switched on when the one before it knows its name, and has one
// processor: two of a machine wait for each other while a third machine has the core. It
// takes more than an hour on two cores: make qemu-cluster runs it, and no other target.
func TestCluster(t *testing.T) {
	const profile = "three-storage.yaml"
	names := []string{"cluster01", "cluster02", "cluster03"}
	at := map[string]netip.Addr{ // as the profile has it
		"cluster01": netip.MustParseAddr("192.168.2.5"),
		"cluster02": netip.MustParseAddr("192.168.2.7"),
		"cluster03": netip.MustParseAddr("192.168.2.6"),
	}
	dir := build(t, profile, names...)
	lan, err := qemu.NewLAN(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lan.Close() })
	var to []netip.AddrPort
	for i, name := range names {
		to = append(to, netip.AddrPortFrom(at[name], uint16(8081+i)), netip.AddrPortFrom(at[name], 22))
	}
	ports, err := lan.StartRouter(t.Context(), netip.MustParsePrefix("192.168.2.0/24"), to...)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), clusterLimit)
	machines := map[string]*qemu.Machine{}
	var followed sync.WaitGroup
	defer func() {
		cancel()
		followed.Wait() // nobody tells of a test that has ended
	}()
	for i, name := range names {
		cards := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(cards, 0o700); err != nil {
			t.Fatal(err)
		}
		card, err := qemu.NewCard(t.Context(), filepath.Join(dir, name+".img"), cards, cardSize)
		if err != nil {
			t.Fatal(err)
		}
		m, err := qemu.Boot(context.Background(), qemu.Options{
			Card: card, Words: []string{patient, quiet}, Processors: 1,
			LAN: lan, SSH: ports[2*i+1], Console: artefact(t, name+"-cluster"),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Kill)
		machines[name] = m
		t.Logf("%6.0f s  %s: power on", time.Since(began).Seconds(), name)
		followed.Go(func() {
			if err := follow(ctx, t, began, name, m); err != nil {
				t.Errorf("%s: %v", name, err)
				cancel() // there is no cluster without it
			}
		})
		if err := m.WaitFor(ctx, "berry-firstboot: step 1/8 "); err != nil {
			break // which is told by who follows it
		}
	}
	if followed.Wait(); t.Failed() {
		t.FailNow()
	}

	for i, name := range names {
		code, _ := get(ctx, t, ports[2*i], "/health")
		t.Logf("%6.0f s  %s: GET /health: %d", time.Since(began).Seconds(), name, code)
		if code != http.StatusOK {
			t.Errorf("%s answers %d", name, code)
		}
	}
	const text = "written on cluster02\n"
	if _, err := machines["cluster02"].SSH(ctx, login(t, dir, "cluster02"), "echo written on cluster02 | sudo tee /mnt/www/file >/dev/null"); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if code, body := get(ctx, t, ports[2*i], "/file"); code != http.StatusOK || body != text {
			t.Errorf("%s answers for the file with %d %q", name, code, body)
		}
	}
}

// follow logs when a machine has ended each step, until it is ready.
func follow(ctx context.Context, t *testing.T, began time.Time, name string, m *qemu.Machine) error {
	const steps = 8
	var signs []string
	for n := range steps {
		signs = append(signs, fmt.Sprintf("step %d/%d ", n+1, steps))
	}
	for _, sign := range append(signs, "ready") {
		if err := m.WaitFor(ctx, "berry-firstboot: "+sign); err != nil {
			return err
		}
		t.Logf("%6.0f s  %s: %s", time.Since(began).Seconds(), name, sign)
	}
	return nil
}

// get asks a machine through the router.
func get(ctx context.Context, t *testing.T, port int, path string) (code int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.StatusCode, strings.ReplaceAll(string(all), "\r", "")
}
