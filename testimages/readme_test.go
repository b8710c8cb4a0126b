package testimages_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/node"
	"berries/firstboot/status"
	"berries/firstboot/steps"
)

// profile is what README calls its profile.
const profile = "berries.yaml"

// TestReadme does what README says, from its first block to its last, in one
// folder, as its reader would.
func TestReadme(t *testing.T) {
	text, targets, d := read(t, "../README.md"), targets(t), newDesk(t)
	blocks := regexp.MustCompile("(?ms)^```(\\w*)\\n(.*?)^```$").FindAllStringSubmatch(text, -1)
	if len(blocks) == 0 {
		t.Fatal("README has no blocks")
	}
	t.Chdir(t.TempDir())
	for _, b := range blocks {
		switch kind, text := b[1], b[2]; kind {
		case "console":
			for line := range strings.Lines(text) {
				d.typed(t, strings.TrimSuffix(line, "\n"), targets)
			}
		case "yaml":
			writeProfile(t, text, d.key)
			if code, out := d.berry("check", profile); code != 0 {
				t.Fatalf("README's profile: exit code %d\n%s", code, out)
			}
		case "":
			checkTranscript(t, text)
		default:
			t.Errorf("README: nothing here knows how to check a block of %s:\n%s", kind, text)
		}
	}
}

// typed does one command of README, or looks at it where doing it would take an
// hour or a card.
func (d desk) typed(t *testing.T, line string, targets []string) {
	t.Helper()
	command, isCommand := strings.CutPrefix(line, "$ ")
	words := strings.Fields(command)
	switch {
	case !isCommand || len(words) == 0:
		t.Errorf("README: %q is no command; what a program prints goes into a block without a name", line)
	case strings.HasPrefix(command, "berry flash ") && words[len(words)-1] == "/dev/sdX":
		// What builder/card does on real disks. Here is the image, and no such card.
		code, out := d.berry(words[1:]...)
		if code != 1 || !strings.Contains(out, "/dev/sdX is not there") {
			t.Errorf("README: %s: exit code %d\n%s", command, code, out)
		}
	case strings.HasPrefix(command, "berry serve "):
		d.serve(t, words[1:])
	case words[0] == "berry" && slices.Contains([]string{"status", "watch", "logs", "support"}, words[1]):
		// What the lab does with five nodes, in TestFiveLab. Here is one, which tells of all.
		if code, out := d.looks(t, words[1:]...); code != 0 {
			t.Errorf("README: %s: exit code %d\n%s", command, code, out)
		}
	case words[0] == "berry":
		if code, out := d.berry(words[1:]...); code != 0 {
			t.Fatalf("README: %s: exit code %d\n%s", command, code, out)
		}
	case words[0] == "make" && len(words) == 2:
		if !slices.Contains(targets, words[1]) {
			t.Errorf("README: %s: the Makefile has no such target", command)
		}
	case strings.HasPrefix(command, "scp ") && len(words) == 3:
		if _, err := os.Stat(words[1]); err != nil {
			t.Errorf("README: %s: %v", command, err)
		}
	case strings.HasPrefix(command, "ssh root@") && len(words) == 3:
		// What the lab does on a server, in TestInstallerLab.
		if _, err := os.Stat("out/" + strings.TrimPrefix(words[2], "./")); err != nil {
			t.Errorf("README: %s: %v", command, err)
		}
	case strings.HasPrefix(command, "ssh pi@"):
		d.loggedIn(t, command, words[2:])
	default:
		t.Errorf("README: nothing here knows how to check: %s", command)
	}
}

// loggedIn looks at a command that is typed on a node: one that packs or unpacks what the
// cluster of the profile serves.
func (d desk) loggedIn(t *testing.T, command string, words []string) {
	t.Helper()
	code, plan := d.berry("plan", profile, "--json")
	served := regexp.MustCompile(`"mount": "(/mnt[^"]*)"`).FindStringSubmatch(plan)
	if code != 0 || served == nil || !strings.HasPrefix(strings.Join(words, " "), "sudo tar -C "+served[1]+" -") {
		t.Errorf("README: nothing here knows how to check: %s", command)
	}
}

// writeProfile puts a profile into the current folder, and the files that it
// names beside it.
func writeProfile(t *testing.T, text, key string) {
	t.Helper()
	write(t, profile, text, 0o644)
	for _, m := range regexp.MustCompile(`\b(ssh_key_files|\w+_file): *\[?([^\s,\]}]+)`).FindAllStringSubmatch(text, -1) {
		if m[1] == "ssh_key_files" {
			write(t, m[2], key, 0o644)
		} else {
			write(t, m[2], "correct horse\n", 0o600)
		}
	}
}

// checkTranscript compares what README shows of a console with what
// berry-firstboot prints there for a storage node.
func checkTranscript(t *testing.T, text string) {
	t.Helper()
	list := steps.For(node.File{Role: node.Storage, Brick: &node.Brick{}, Packages: &node.Packages{}, Tunnel: &node.Tunnel{}, Gluster: &node.Gluster{}, Web: &node.Web{}, GeoRep: &node.GeoRep{}}, nil, nil)
	var want, spared []status.Line // those are told when the node is ready
	for i, step := range list {
		line := status.Line{Number: i + 1, Total: len(list), Step: status.Step{Name: step.Name()}}
		if steps.IsSpared(step) {
			spared = append(spared, line)
		} else {
			want = append(want, line)
		}
	}
	want = append(append(want, status.Line{Ready: true}), spared...)
	got := []status.Line{}
	for printed := range strings.Lines(text) {
		line, ok := status.ParseLine(printed)
		if !ok || line.String()+"\n" != printed {
			t.Errorf("README: berry-firstboot prints no line like %q", printed)
		}
		got = append(got, status.Line{Ready: line.Ready, Number: line.Number, Total: line.Total, Step: status.Step{Name: line.Step.Name}})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("README's console (-program +README):\n%s", diff)
	}
}

// targets are the targets of the Makefile that a person may type.
func targets(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, m := range regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindAllStringSubmatch(read(t, "../Makefile"), -1) {
		list = append(list, strings.Fields(m[1])...)
	}
	return list
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
