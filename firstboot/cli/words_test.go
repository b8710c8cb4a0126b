package cli

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"berries/firstboot/node"
)

// commands are those that help lists.
func commands(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^  berry-firstboot (\w+)`).FindAllStringSubmatch(help, -1) {
		names = append(names, m[1])
	}
	if len(names) != len(explanations) {
		t.Errorf("help lists %v, and %d commands are explained", names, len(explanations))
	}
	return names
}

func TestEveryCommandExplainsItself(t *testing.T) {
	m := newMachine(t, node.Balancer)
	for _, name := range commands(t) {
		text, _, code := m.types(name + " --help")
		for _, want := range []string{name + " ", ".\n\nUsage:\n  berry-firstboot " + name, "\n\nExample:\n  ", "\n\nExit codes:\n  0  ", "\n  2  the command line is wrong"} {
			if code != ok || !strings.Contains(text, want) {
				t.Errorf("%s --help: exit code %d, without %q:\n%s", name, code, want, text)
			}
		}
		for _, same := range []string{"help " + name, name + " -h"} {
			if again, _, code := m.types(same); code != ok || again != text {
				t.Errorf("%s: exit code %d\n%s", same, code, again)
			}
		}
	}
}

// tree lists all files of a machine.
func tree(t *testing.T, m *machine) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(m.Path("/"), func(name string, d fs.DirEntry, err error) error {
		list = append(list, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for _, tt := range []struct {
		typed string
		root  bool
		code  int
		want  string
		hint  string
	}{
		{"", false, usage, "no command", "berry-firstboot help"},
		{"dance", false, usage, `unknown command "dance"`, "berry-firstboot help"},
		{"--frob", false, usage, `unknown command "--frob"`, "berry-firstboot help"},
		{"help dance", false, usage, `unknown command "dance"`, "berry-firstboot help"},
		{"help run status", false, usage, `unexpected argument "status"`, "berry-firstboot help --help"},
		{"run --frob", false, usage, `unexpected argument "--frob"`, "berry-firstboot run --help"},
		{"run --once now", false, usage, `unexpected argument "now"`, "berry-firstboot run --help"},
		{"run --once --once", false, usage, `unexpected argument "--once"`, "berry-firstboot run --help"},
		{"status cluster01", false, usage, `unexpected argument "cluster01"`, "berry-firstboot status --help"},
		{"status", false, failed, "it has not run on this machine yet", "systemctl status berry-firstboot"},
		{"version --frob", false, usage, `unexpected argument "--frob"`, "berry-firstboot version --help"},
		{"gsync", false, usage, "gsync is for sshd alone", "berry-firstboot gsync --help"},
		{"install", true, usage, "install needs one folder", "berry-firstboot install --help"},
		{"install one two", true, usage, "install needs one folder", "berry-firstboot install --help"},
		{"install .", false, failed, "only root may install", "sudo sh NODE.install"},
		{"install /nowhere", true, failed, "this is no folder of an installer: open files/etc/berry/node.json: ", "sh NODE.install"},
		{"install words_test.go", true, failed, "this is no folder of an installer: ", "sh NODE.install"},
	} {
		m := newMachine(t, node.Balancer)
		before := tree(t, m)
		m.root = tt.root
		stdout, stderr, code := m.types(tt.typed)
		said, next, _ := strings.Cut(stderr, "\n")
		if code != tt.code || stdout != "" || !strings.HasPrefix(said, "berry-firstboot: "+tt.want) || next != "hint: "+tt.hint+"\n" {
			t.Errorf("%q: exit code %d\n%s%s\nwant %d, %s\nhint: %s", tt.typed, code, stdout, stderr, tt.code, tt.want, tt.hint)
		}
		if after := tree(t, m); !slices.Equal(before, after) {
			t.Errorf("%q leaves %v, where %v was", tt.typed, after, before)
		}
	}
}
