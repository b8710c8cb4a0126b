package host

import (
	"strings"
	"testing"
)

func TestLockKeepsASecondOneOut(t *testing.T) {
	files, _ := tree(t, map[string]string{"run/": ""})
	h := &Host{Files: files}
	unlock, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Lock(); err == nil || !strings.HasPrefix(err.Error(), "another berry-firstboot is at work") {
		t.Errorf("a second lock: %v", err)
	}
	unlock()
	again, err := h.Lock()
	if err != nil {
		t.Fatalf("after unlock: %v", err)
	}
	again()
}
