//go:build lab

package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"berries/testimages/lab/cluster"
)

// TestLab is a transcript of the whole life of a lab of one node, which is built from
// a profile first. The paths of BERRY_LAB_IMAGES (a folder with the profile that its
// images were built from), BERRY_BIN and BERRY_BASE are absolute.
func TestLab(t *testing.T) {
	given := []string{"BERRY_LAB_IMAGES", "BERRY_BIN", "BERRY_BASE", "HOME"} // the builder's cache is in HOME
	for _, name := range given {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set; type: make test-lab", name)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/lab",
		Setup: func(env *testscript.Env) error {
			for _, name := range given {
				env.Setenv(name, os.Getenv(name))
			}
			env.Defer(func() { takeDown(t, filepath.Join(env.WorkDir, "out/lab.run")) })
			return nil
		},
	})
}

// takeDown takes down what a transcript that broke off has left.
func takeDown(t *testing.T, dir string) {
	l, err := cluster.Open(dir)
	if err != nil {
		return // the transcript's end has done it
	}
	if err := l.Down(context.Background()); err != nil {
		t.Error(err)
	}
}
