package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// typed runs berry in the current folder, and gives its exit code and what it printed.
func typed(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(t.Context(), Env{
		Args: args, Stdout: &stdout, Stderr: &stderr, Stdin: strings.NewReader(""),
		Getenv:    func(name string) string { return map[string]string{"HOME": "."}[name] },
		Firstboot: func(arch string) ([]byte, error) { return []byte("berry-firstboot for " + arch + "\n"), nil },
	})
	return code, stdout.String(), stderr.String()
}

// everyCommand gives all commands of berry, that of help among them.
func everyCommand() []*cobra.Command {
	root := newRoot(Env{})
	root.InitDefaultHelpCmd()
	list := []*cobra.Command{root}
	for i := 0; i < len(list); i++ {
		list = append(list, list[i].Commands()...)
	}
	return list
}

// words are those of a command behind berry.
func words(c *cobra.Command) []string { return strings.Fields(c.CommandPath())[1:] }

func TestEveryCommandExplainsItself(t *testing.T) {
	for _, c := range everyCommand() {
		code, help, _ := typed(t, append(words(c), "--help")...)
		text, codes := exitsIn(c.Long)
		if code != exitOK || !strings.HasPrefix(help, text) {
			t.Errorf("%s --help: exit code %d\n%s", c.CommandPath(), code, help)
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || len(c.Short) > 72 {
			t.Errorf("%s: its line in the list is %q", c.CommandPath(), c.Short)
		}
		if len(text) < 60 && c.Name() != "help" || !strings.HasPrefix(text, c.Name()+" ") || !strings.HasSuffix(text, ".") {
			t.Errorf("%s: its help says no more than %q", c.CommandPath(), text)
		}
		for _, code := range everyExit {
			if !slices.ContainsFunc(codes, func(e exit) bool { return e.code == code && e.means != "" }) {
				t.Errorf("%s: its help does not tell what exit code %d is: %v", c.CommandPath(), code, codes)
			}
		}
		if len(examples(c)) == 0 || !strings.Contains(help, c.Example) {
			t.Errorf("%s has no example of itself: %q", c.CommandPath(), c.Example)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: nothing is said of --%s", c.CommandPath(), f.Name)
			}
		})
	}
}

// examples are the command lines of a command in its own examples, as words behind berry.
func examples(c *cobra.Command) [][]string {
	var list [][]string
	for _, m := range regexp.MustCompile(`\bberry ([^|>)\n]+)`).FindAllStringSubmatch(c.Example, -1) {
		if w := strings.Fields(m[1]); !c.HasParent() || len(w) >= len(words(c)) && slices.Equal(w[:len(words(c))], words(c)) {
			list = append(list, w)
		}
	}
	return list
}

func TestEveryExampleIsACommandLine(t *testing.T) {
	for _, c := range everyCommand() {
		for _, line := range examples(c) {
			of, rest, err := newRootWithHelp().Find(line)
			if err == nil {
				err = of.ParseFlags(rest)
			}
			if err == nil {
				err = of.ValidateArgs(of.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %q: %v", c.CommandPath(), line, err)
			}
		}
	}
}

func newRootWithHelp() *cobra.Command {
	root := newRoot(Env{})
	root.InitDefaultHelpCmd()
	return root
}

// mistake is what people type, and what they are told.
type mistake struct {
	args string
	code int
	want string // of the line that begins with berry:
	hint string // of the one below it
}

// mistakes are the typical ones of each command. In the folder there are a good profile,
// one with a mistake, a folder, an empty folder, a file that is no image and one that
// nobody may read.
var mistakes = []mistake{
	{"frob", exitUsage, `unknown command "frob" for "berry"`, "berry --help"},
	{"chekc", exitUsage, `unknown command "chekc" for "berry"`, "berry check"},
	{"help frob", exitUsage, `unknown command "frob" for "berry"`, "berry --help"},
	{"completion", exitUsage, "something is missing: the command is berry completion bash|zsh|fish|powershell", "berry completion --help"},
	{"completion tcsh", exitUsage, `"tcsh" alone does not fit`, "berry completion --help"},
	{"version 1", exitUsage, `"1" alone does not fit: the command is berry version`, "berry version --help"},
	{"man", exitUsage, "something is missing", "berry man --help"},
	{"man file", exitFailed, "cannot make the folder for the man pages: mkdir file: not a directory", "ls -ld file"},
	{"init", exitUsage, "something is missing: the command is berry init FILE", "berry init --help"},
	{"init good.yaml", exitFailed, "good.yaml exists", "berry init ANOTHER.yaml"},
	{"init folder", exitFailed, "folder exists", "berry init ANOTHER.yaml"},
	{"init nowhere/x.yaml", exitFailed, "cannot write the profile: open nowhere/x.yaml: no such file or directory", "mkdir -p nowhere"},
	{"check", exitUsage, "something is missing: the command is berry check PROFILE|DIR...", "berry check --help"},
	{"check empty", exitFailed, "there is no *.yaml file in empty", "berry init empty/berries.yaml"},
	{"plan good.yaml cluster09", exitUsage, `cluster three has no node "cluster09"`, "its nodes are cluster01, cluster02, cluster03"},
	{"lock good.yaml --base nosuch.img", exitFailed, "nosuch.img", "FILE"},
	{"lock good.yaml good.yaml", exitUsage, "2 arguments do not fit: the command is berry lock PROFILE", "berry lock --help"},
	{"build good.yaml", exitUsage, "--output is missing: the command is berry build PROFILE [NODE...] -o DIR", "berry build --help"},
	{"build good.yaml cluster09 -o out", exitUsage, `cluster three has no node "cluster09"`, "its nodes are"},
	{"build good.yaml -o out --jobs many", exitUsage, `"many" is no value for --jobs`, "berry build --help"},
	{"build good.yaml -o out --base nosuch.img", exitFailed, "nosuch.img", "FILE"},
	{"installer good.yaml", exitUsage, `"good.yaml" alone does not fit`, "berry installer --help"},
	{"installer good.yaml cluster01 -o out", exitUsage, "cluster01 is a storage node, which needs a partition of its own", "berry build good.yaml cluster01 -o out"},
	{"installer good.yaml balancer -o out", exitUsage, `cluster three has no node "balancer"`, "its nodes are"},
	{"secrets frob", exitUsage, `unknown command "frob" for "berry secrets"`, "berry secrets --help"},
	{"secrets rotate", exitUsage, "something is missing", "berry secrets rotate --help"},
	{"secrets rotate good.yaml", exitUsage, "rotate needs names of nodes, or --all, and not both", "berry secrets rotate --help"},
	{"secrets rotate good.yaml cluster09", exitUsage, `cluster three has no node "cluster09"`, "its nodes are"},
	{"secrets rotate good.yaml --all", exitFailed, "there is no secrets folder good.secrets", "berry build good.yaml -o DIR"},
	{"verify", exitUsage, "something is missing", "berry verify --help"},
	{"verify nosuch.img", exitFailed, "nosuch.img is not there", "berry build PROFILE -o DIR"},
	{"verify folder", exitFailed, "folder is a folder", "berry verify folder/IMAGE.img"},
	{"flash", exitUsage, "flash needs an image or a node", "berry flash --help"},
	{"flash cluster01", exitFailed, "there is no image of cluster01 in the folder out", "berry build PROFILE cluster01 -o out"},
	{"flash nosuch.img /dev/sdX", exitFailed, "nosuch.img is not there", "berry build PROFILE -o DIR"},
	{"flash ./folder /dev/sdX", exitFailed, "folder", "IMAGE"},
	{"flash ./file /dev/sdX", exitFailed, "./file has no MBR partition table", "berry verify ./file"},
	{"flash a=/dev/sdX b", exitUsage, "several cards need NODE=DEVICE for each", "berry flash --help"},
	{"flash --list x", exitUsage, "flash --list takes no image", "berry flash --list"},
	{"flash a.img /dev/sdX --profile good.yaml", exitUsage, "--profile has images of nodes built, and a.img is a file", "berry flash NODE DEVICE --profile good.yaml"},
	{"flash a /dev/sdX --cache folder", exitUsage, "--base and --cache go with --profile", "berry flash --help"},
	{"build good.yaml -o out --form zip", exitUsage, `there is no form "zip"; the forms are img, img.zst and img.xz`, "--form img,img.xz"},
	{"manifest", exitUsage, "something is missing: the command is berry manifest DIR|IMAGE...", "berry manifest --help"},
	{"manifest empty", exitFailed, "beside empty/*.img there is no manifest", "berry build PROFILE -o DIR"},
	{"manifest nosuch.img", exitFailed, "nosuch.img", "berry build PROFILE -o DIR"},
	{"manifest empty --url www.example.org", exitUsage, `"www.example.org" is no http or https address`, "--url https://"},
	{"serve", exitUsage, "something is missing: the command is berry serve DIR", "berry serve --help"},
	{"serve file", exitUsage, "file is no folder", "berry serve DIR"},
	{"serve empty", exitFailed, "beside empty/*.img there is no manifest", "berry build PROFILE -o DIR"},
	{"serve empty --token short", exitUsage, "a token has 16 letters and digits or more", "berry serve empty"},
	{"status good.yaml", exitFailed, "there is no secrets folder good.secrets", "berry build good.yaml -o DIR"},
	{"watch good.yaml --wait never", exitUsage, `cannot wait for "never"`, "berry watch --help"},
	{"watch good.yaml --timeout 5m", exitUsage, "--timeout is for --wait", "berry watch --help"},
	{"watch good.yaml --wait ready --timeout soon", exitUsage, `"soon" is no value for --timeout`, "berry watch --help"},
	{"logs good.yaml", exitUsage, `"good.yaml" alone does not fit: the command is berry logs PROFILE NODE`, "berry logs --help"},
	{"logs good.yaml cluster09", exitUsage, `cluster three has no node "cluster09"`, "its nodes are"},
	{"logs good.yaml cluster01 --lines 0", exitUsage, "--lines is 0", "berry logs --help"},
	{"support good.yaml -o x.tar.gz", exitFailed, "there is no secrets folder good.secrets", "berry build good.yaml -o DIR"},
	{"catalogue x", exitUsage, `"x" alone does not fit`, "berry catalogue --help"},
}

// ofProfiles are the commands whose first argument is a profile, with the rest of a
// command line.
var ofProfiles = map[string]string{
	"check": "", "plan": "", "lock": "", "build": " -o out", "installer": " balancer -o out", "secrets rotate": " --all",
	"status": "", "watch": "", "logs": " cluster01", "support": "",
}

// everyMistake adds those that each command knows.
func everyMistake() []mistake {
	all := slices.Clone(mistakes)
	for _, c := range everyCommand() {
		all = append(all, mistake{strings.Join(append(words(c), "--frob"), " "), exitUsage, "unknown flag: --frob", c.CommandPath() + " --help"})
	}
	for name, rest := range ofProfiles {
		all = append(all,
			mistake{name + " nosuch.yaml" + rest, exitFailed, "cannot read profile: open nosuch.yaml: no such file or directory", "berry init nosuch.yaml"},
			mistake{name + " file/x.yaml" + rest, exitFailed, "cannot read profile: open file/x.yaml: not a directory", "ls -l file/x.yaml"},
			mistake{name + " wrong.yaml" + rest, exitMistakes, "", ""},
		)
		if name != "check" { // which reads all profiles of a folder
			all = append(all, mistake{name + " folder" + rest, exitFailed, "cannot read profile: read folder: is a directory", "FILE.yaml"})
		}
		if os.Geteuid() != 0 { // whom nothing is closed to
			all = append(all, mistake{name + " closed.yaml" + rest, exitFailed, "cannot read profile: open closed.yaml: permission denied", "ls -l closed.yaml"})
		}
	}
	return all
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	t.Chdir(mistaken(t))
	before := tree(t)
	said := map[string]bool{}
	for _, m := range everyMistake() {
		code, out, stderr := typed(t, strings.Fields(m.args)...)
		of, _, _ := newRootWithHelp().Find(strings.Fields(m.args))
		said[of.CommandPath()] = said[of.CommandPath()] || !strings.Contains(m.args, "--frob")
		first, second, _ := strings.Cut(stderr, "\n")
		switch {
		case code != m.code:
			t.Errorf("berry %s: exit code %d, want %d\n%s", m.args, code, m.code, stderr)
		case m.code == exitMistakes && !strings.Contains(stderr, "\nwrong.yaml:2:1: frob: unknown key\n    hint: "):
			t.Errorf("berry %s: says\n%s", m.args, stderr)
		case m.code != exitMistakes && (!strings.HasPrefix(first, "berry: ") || !strings.Contains(first, m.want)):
			t.Errorf("berry %s: says %s\nwant %s", m.args, first, m.want)
		case m.code != exitMistakes && (!strings.HasPrefix(second, "hint: ") || !strings.Contains(second, m.hint) || strings.Count(second, "\n") != 1):
			t.Errorf("berry %s: says %s\nand %s\nwant hint: %s", m.args, first, second, m.hint)
		}
		if _, codes := exitsIn(of.Long); !slices.ContainsFunc(codes, func(e exit) bool { return e.code == code }) {
			t.Errorf("berry %s ends with %d, and its help has only %v", m.args, code, codes)
		}
		if out != "" {
			t.Errorf("berry %s: prints %s", m.args, out)
		}
		if diff := cmp.Diff(before, tree(t)); diff != "" {
			t.Fatalf("berry %s: leaves (-before +after)\n%s", m.args, diff)
		}
	}
	for _, c := range everyCommand() {
		if !said[c.CommandPath()] {
			t.Errorf("nobody has tried what %s says to mistakes", c.CommandPath())
		}
	}
}

// mistaken makes the folder that mistakes speaks of.
func mistaken(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	profile, err := os.ReadFile("../../profiles/clusters/three-storage.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile("testdata/id.pub")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"good.yaml": string(profile), "id.pub": string(key), "wrong.yaml": "cluster: x\nfrob: y\n", "closed.yaml": "", "file": "no image\n", "folder/good.yaml": "",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "closed.yaml"), 0); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tree lists all that is below the current folder.
func tree(t *testing.T) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			list = append(list, fmt.Sprint(name, " ", info.Mode(), " ", info.Size()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
