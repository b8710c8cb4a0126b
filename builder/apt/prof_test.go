//go:build apt

package apt

import (
	"testing"
	"time"
)

func TestProf(t *testing.T) {
	t0 := time.Now()
	w := newWorld(t, "trixie", "arm64")
	t.Log("world", time.Since(t0))
	t0 = time.Now()
	w.installs(lean, "?essential", "?priority(required)", "?priority(important)", "apt", "dpkg")
	t.Log("installs", time.Since(t0))
	t0 = time.Now()
	a := w.open()
	t.Log("open", time.Since(t0))
	t0 = time.Now()
	b, _ := ReadBase(dirRoot(w.dir))
	_ = b
	a = w.open()
	t.Log("open again", time.Since(t0))
	t0 = time.Now()
	for range 3 {
		_, err := a.Closure([]string{"glusterfs-server", "apache2"})
		t.Log("closure", err, time.Since(t0))
		t0 = time.Now()
	}
	w.simulate(lean, "glusterfs-server")
	t.Log("apt", time.Since(t0))
	t0 = time.Now()
	w.simulate(lean, "glusterfs-server")
	t.Log("apt", time.Since(t0))
	t0 = time.Now()
}
