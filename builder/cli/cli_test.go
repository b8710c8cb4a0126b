package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"berries/builder/apt/apttest"
	"berries/builder/disk/disktest"
	"berries/builder/secrets"
	"berries/builder/watch/watchtest"
)

// TestMain lets this test binary be berry itself: scripts and the kill test run it
// as a program of its own. What it lays into images as berry-firstboot is a
// stand-in, since the real one is made by the Makefile.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"berry": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		os.Exit(Main(ctx, Env{
			Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
			Firstboot: func(arch string) ([]byte, error) { return []byte("berry-firstboot for " + arch + "\n"), nil },
		}))
	}})
}

// Each script is a transcript of what a person types and sees.
func TestScripts(t *testing.T) {
	base := disktest.New(t, disktest.Options{Files: apttest.Article(t).Sources()})
	catalogue := httptest.NewServer(http.FileServer(http.Dir("testdata")))
	t.Cleanup(catalogue.Close) // the scripts run on after this function
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("BASE", base)
			env.Setenv("CATALOGUE", catalogue.URL)
			env.Setenv("REPO", root)
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"node": startNode},
	})
}

// startNode is the command "node SECRETS NAME DIR [RELAYED]": a node answers with the files of
// a folder, and passes connections on to another one. Its address is in $NAME.
func startNode(ts *testscript.TestScript, _ bool, args []string) {
	folder, err := secrets.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	n := watchtest.Node{Name: args[1], Says: map[string][]byte{}, Relays: map[string]string{}}
	names, err := os.ReadDir(ts.MkAbs(args[2]))
	ts.Check(err)
	for _, e := range names {
		text, err := os.ReadFile(filepath.Join(ts.MkAbs(args[2]), e.Name()))
		ts.Check(err)
		n.Says["/"+e.Name()] = text
	}
	for _, other := range args[3:] {
		n.Relays[other] = ts.Getenv(other)
	}
	_, err = folder.ClusterID()
	ts.Check(err)
	at, stop, err := n.Start(folder)
	ts.Check(err)
	ts.Defer(stop)
	ts.Setenv(n.Name, at)
}
