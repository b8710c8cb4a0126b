package testimages_test

import (
	"bytes"
	"context"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	firstboot "berries/firstboot/cli"
)

// table gives the rows of README's table whose first column has this head.
func table(t *testing.T, head string) [][]string {
	t.Helper()
	_, rest, found := strings.Cut(read(t, "../README.md"), "\n| "+head+" |")
	if !found {
		t.Fatalf("README has no table of each %s", head)
	}
	var rows [][]string
	for i, line := range strings.Split(rest, "\n") {
		if i < 2 { // what is left of the head, and the line below it
			continue
		}
		if !strings.HasPrefix(line, "| ") {
			break
		}
		line = strings.ReplaceAll(strings.Trim(line, "| "), `\|`, "\x00")
		cells := strings.Split(line, " | ")
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "\x00", "|")
		}
		rows = append(rows, cells)
	}
	return rows
}

func TestReadmeListsTheCommandsThatBerryHas(t *testing.T) {
	var got []string
	for _, row := range table(t, "command") {
		command := strings.Trim(row[0], "`")
		name := regexp.MustCompile(`^berry ([a-z]+(?: [a-z]+)*)`).FindStringSubmatch(command)[1]
		words := strings.Fields(name)
		got = append(got, words[0])
		_, help := desk{}.berry(append(words, "--help")...)
		if !strings.Contains(help, "\n  "+command+"\n") && !strings.Contains(help, "\n  "+command+" [flags]\n") {
			t.Errorf("README says %s, but its help is\n%s", command, help)
		}
		for _, flag := range regexp.MustCompile("`(--[a-z-]+)`").FindAllStringSubmatch(row[1], -1) {
			if !strings.Contains(help, " "+flag[1]+" ") {
				t.Errorf("README gives %s the flag %s, but its help is\n%s", name, flag[1], help)
			}
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(commands(), got); diff != "" {
		t.Errorf("the commands (-berry +README):\n%s", diff)
	}
}

// commands are those that berry --help lists, but for help itself.
func commands() []string {
	_, help := desk{}.berry("--help")
	_, list, _ := strings.Cut(help, "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	var names []string
	for line := range strings.Lines(list) {
		if name := strings.Fields(line)[0]; name != "help" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestReadmeHasTheExitCodesOfBerry(t *testing.T) {
	_, help := desk{}.berry("--help")
	want := exitCodes(t, help)
	if len(want) < 2 {
		t.Fatalf("berry --help gives the exit codes %v", want)
	}
	if diff := cmp.Diff(want, exitCodes(t, read(t, "../README.md"))); diff != "" {
		t.Errorf("the exit codes (-berry +README):\n%s", diff)
	}
}

// exitCodes reads "Exit codes: 0 done, 1 failed." wherever its lines are broken.
// What stands in brackets is left out.
func exitCodes(t *testing.T, text string) map[string]string {
	t.Helper()
	_, text, found := strings.Cut(text, "Exit codes: ")
	text, _, ends := strings.Cut(text, ".")
	if !found || !ends {
		t.Fatal("there is no sentence of exit codes")
	}
	text = regexp.MustCompile(`\s*\([^)]*\)`).ReplaceAllString(text, "")
	codes := map[string]string{}
	for _, one := range strings.Split(strings.Join(strings.Fields(text), " "), ", ") {
		code, meaning, _ := strings.Cut(one, " ")
		codes[code] = meaning
	}
	return codes
}

// The map has every folder at the top and below the two programs, but for tests'.
func TestReadmeMapsTheTree(t *testing.T) {
	var want []string
	for _, dir := range []string{"..", "../builder", "../firstboot"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := strings.TrimPrefix(path.Join(dir, e.Name()), "../")
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && name != "out" {
				want = append(want, name)
			}
		}
	}
	var got []string
	for _, row := range table(t, "folder") {
		got = append(got, strings.Trim(row[0], "`/"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the folders (-tree +README):\n%s", diff)
	}
}

// What README names in a sentence is there too.
func TestReadmeNamesWhatIsThere(t *testing.T) {
	text := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(read(t, "../README.md"), "")
	var help bytes.Buffer
	firstboot.Main(context.Background(), firstboot.Env{Args: []string{"help"}, Stdout: &help})
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		words := strings.Fields(m[1])
		there := true
		switch {
		case len(words) > 1 && words[0] == "make":
			there = slices.Contains(targets(t), words[1])
		case len(words) > 1 && words[0] == "berry":
			there = slices.Contains(commands(), words[1])
		case len(words) > 1 && words[0] == "berry-firstboot":
			there = strings.Contains(help.String(), "\n  "+m[1]+" ")
		case regexp.MustCompile(`^(builder|firstboot|overlays|profiles|testimages)/`).MatchString(m[1]):
			_, err := os.Stat(path.Join("..", m[1]))
			there = err == nil
		}
		if !there {
			t.Errorf("README names %s, which is not there", m[1])
		}
	}
}
