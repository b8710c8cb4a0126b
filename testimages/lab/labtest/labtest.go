// Package labtest is what tests that boot images in a lab share: where those images are.
package labtest

import (
	"os"
	"path/filepath"
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
