// Package labtest is what tests that boot images in a lab share: where those images are,
// and where they leave what explains a failure.
package labtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Folder is the folder BERRY_LAB_IMAGES, which holds the images that the Makefile has
// made for amd64 and what they were built from.
func Folder(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("BERRY_LAB_IMAGES")
	if dir == "" {
		t.Fatal("BERRY_LAB_IMAGES names no folder with images for amd64; type: make test-lab")
	}
	return dir
}

// Images are the images of nodes in a folder.
func Images(dir string, nodes ...string) []string {
	var list []string
	for _, name := range nodes {
		list = append(list, filepath.Join(dir, name+".img"))
	}
	return list
}

// Keep keeps what explains a failure in a file of the folder BERRY_ARTEFACTS, and says
// where: it is long, and what has failed would not be found in the log behind it. Without
// that folder, all of it goes into the log.
func Keep(t testing.TB, name, text string) {
	t.Helper()
	dir := os.Getenv("BERRY_ARTEFACTS")
	if dir == "" {
		t.Logf("%s:\n%s", name, text)
		return
	}
	path := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+"-"+name+".txt")
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Logf("%v\n%s", err, text)
		return
	}
	t.Logf("all of %s is in %s", name, path)
}
