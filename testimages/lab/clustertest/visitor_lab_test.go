//go:build lab

package clustertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berries/firstboot/node"
)

// visitor is a browser in a network namespace. It keeps no connection: a node may
// have changed since.
func visitor(namespace string) *http.Client {
	dial := func(ctx context.Context, _, address string) (conn net.Conn, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			// The namespace is the thread's, which ends with the goroutine since it is
			// never unlocked. The connection stays where it was made.
			runtime.LockOSThread()
			file, openErr := os.Open(filepath.Join("/run/netns", namespace))
			if err = openErr; err != nil {
				return
			}
			defer file.Close()
			if err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err == nil {
				conn, err = (&net.Dialer{}).DialContext(ctx, "tcp4", address)
			}
		}()
		<-done
		return conn, err
	}
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// get asks a node's Apache for a path. The code is 0 where nobody answers, or not to
// the end.
func (c *whole) get(t *testing.T, name, path string) (code int, body string) {
	t.Helper()
	s, err := c.lab.State(t.Context(), name)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	if !s.Address.IsValid() {
		return 0, ""
	}
	web := c.web
	if s.Role == node.Remote { // its router lets nobody in
		beside, err := c.lab.RouterNamespace(name)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		web = visitor(beside)
	}
	res, err := web.Get(fmt.Sprintf("http://%s:%d%s", s.Address, c.files[name].Web.Port, path))
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, ""
	}
	return res.StatusCode, string(text)
}

// unserved tells whether this is how a node answers that has nothing to serve.
func unserved(code int, _ string) bool { return code == 0 || code == http.StatusServiceUnavailable }

// watch has the visitor ask a node for a path again and again, until the function that
// it returns is called. Whatever is answered must be as may says, and never a listing.
// The counts are of the answers, by their code.
func (c *whole) watch(t *testing.T, name, path string, may func(code int, body string) bool) (end func() map[int]int) {
	t.Helper()
	counts := map[int]int{}
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			code, body := c.get(t, name, path)
			counts[code]++
			if !may(code, body) || strings.Contains(body, "Index of /") {
				t.Errorf("%s answers %s with %d: %.300q", name, path, code, body)
			}
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	end = sync.OnceValue(func() map[int]int {
		close(stop)
		done.Wait()
		return counts
	})
	t.Cleanup(func() { end() }) // after a failure it would outlive the test
	return end
}
