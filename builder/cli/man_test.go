package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// groff judges the pages, and shows what a person sees of one.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	date := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	n, err := writePages(newRootWithHelp(), dir, date)
	if err != nil || n != len(everyCommand()) {
		t.Fatalf("%d pages of %d commands: %v", n, len(everyCommand()), err)
	}
	pages, err := filepath.Glob(dir + "/berry*.1")
	if err != nil || len(pages) != n {
		t.Fatalf("got %v, %v", pages, err)
	}
	for _, page := range pages {
		if out, err := exec.Command("groff", "-man", "-Tutf8", "-ww", "-z", page).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("groff: %v\n%s", err, out)
		}
	}
	shown, err := exec.Command("groff", "-man", "-Tascii", "-P-cbou", filepath.Join(dir, "berry-secrets-rotate.1")).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"BERRY-SECRETS-ROTATE(1)", "Nov 2026", "\nEXIT STATUS\n", "       3      mistakes in the profile (nothing was written)\n",
		"         berry secrets rotate berries.yaml cluster02\n", "       berry-secrets(1)\n"} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("the page of secrets rotate lacks %q:\n%s", want, shown)
		}
	}
}

func TestManPagesAreTheSameAtAnyTime(t *testing.T) {
	dir := t.TempDir()
	var pages []string
	for _, name := range []string{"one", "two"} {
		t.Chdir(dir)
		if code, _, err := typed(t, "man", name); code != exitOK {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(name, "berry-man.1"))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, string(text))
	}
	if diff := cmp.Diff(pages[0], pages[1]); diff != "" {
		t.Errorf("(-one +two)\n%s", diff)
	}
	// A test knows no commit, and so no date.
	if want := `.TH "BERRY-MAN" "1" "" "berry `; !strings.Contains(pages[0], want) || strings.Contains(pages[0], "cobra") {
		t.Errorf("want %s in\n%s", want, pages[0])
	}
}
