// Package cli is the command line of berry: one command, one file. A command
// reads its flags, calls the package that does the work, and prints; it decides
// nothing about images. Main is a function of its Env, so that a test calls it as
// a person types it.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"berries/builder/card"
	"berries/profiles"
)

// Env is everything a command may take from outside.
type Env struct {
	Args           []string // without the program's name
	Stdout, Stderr io.Writer
	Terminal       bool // Stderr is a terminal: progress is a bar
	// Width is how many columns the terminal has that Stdout is; nil where it is none.
	Width       func() int
	Stdin       io.Reader
	Interactive bool // Stdin is a terminal: a person can be asked
	Getenv      func(string) string
	HTTP        *http.Client // does the requests; nil for berry's own
	// Firstboot gives the berry-firstboot binary for a Debian architecture.
	Firstboot func(arch string) ([]byte, error)
}

// hinted is an error with the line that says what to type next.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// interrupted is what a command leaves that was stopped by the person.
type interrupted struct {
	error
	left string
}

func (i interrupted) Unwrap() error { return i.error }

// errBadImage says that the report is printed already.
var errBadImage = errors.New("an image is bad")

// errNotReady says that what there is to say is printed already.
var errNotReady = errors.New("not every node is ready")

// notReady is an error that says which node is not ready.
type notReady struct{ error }

func (n notReady) Unwrap() error { return n.error }

// Main runs the command in env.Args and returns the exit code.
func Main(ctx context.Context, env Env) int {
	root := newRoot(env)
	root.SetArgs(env.Args)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	return report(ctx, env, err)
}

// report prints an error in the one form they all have, and gives its exit code.
func report(ctx context.Context, env Env, err error) int {
	var mistakes profiles.Report
	var usage usageError
	var hint hinted
	var badImage card.BadImage
	var late notReady
	stopped := interrupted{left: "nothing half-made is left"}
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		errors.As(err, &stopped)
		fmt.Fprintf(env.Stderr, "berry: interrupted; %s\n", stopped.left)
		return exitInterrupted
	case errors.As(err, &mistakes):
		fmt.Fprintln(env.Stderr, mistakes.Error())
		return exitMistakes
	case errors.Is(err, errBadImage):
		return exitBadImage
	case errors.Is(err, errNotReady):
		return exitNotReady
	}
	fmt.Fprintf(env.Stderr, "berry: %v\n", err)
	if errors.As(err, &hint) {
		fmt.Fprintf(env.Stderr, "hint: %s\n", hint.hint)
	}
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &badImage):
		return exitBadImage
	case errors.As(err, &late):
		return exitNotReady
	}
	return exitFailed
}

func newRoot(env Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "berry",
		Short: "one profile in, one image per node out",
		Long: `berry turns a Raspberry Pi OS image and a cluster profile into one image per
node, ready to flash: no root, no loop mounts, no Docker.
` + exitCodes,
		Example:       "  berry init berries.yaml\n  berry build berries.yaml -o out",
		SilenceErrors: true,
		// Man pages bear no date of their making.
		DisableAutoGenTag: true,
		SilenceUsage:      true,
	}
	root.SetFlagErrorFunc(wrongFlag)
	root.SetHelpCommand(newHelp(env))
	root.AddCommand(newInit(env), newCheck(env), newPlan(env), newLock(env), newBuild(env), newInstaller(env), newVerify(env), newFlash(env), newManifest(env), newServe(env), newStatus(env), newWatch(env), newLogs(env), newSupport(env), newSecrets(env), newCatalogue(env), newVersion(env), newMan(env), newCompletion(env))
	return ofCommands(root)
}

// printJSON writes a value for scripts.
func printJSON(w io.Writer, value any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(value)
}

// load reads a profile; base, when given, stands in for the profile's own.
func load(env Env, path, base string) (*profiles.Cluster, error) {
	cluster, err := profiles.Load(path, profiles.Env{Getenv: env.Getenv, HomeDir: env.Getenv("HOME"), BaseOverride: base})
	var mistakes profiles.Report
	var file *fs.PathError
	switch {
	case err == nil, errors.As(err, &mistakes):
		return cluster, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, hinted{err, "berry init " + path}
	case errors.Is(err, syscall.EISDIR):
		return nil, hinted{err, "name a profile in it, such as " + filepath.Join(path, "FILE.yaml")}
	case errors.As(err, &file):
		return nil, hinted{err, "ls -l " + path}
	case base != "":
		return nil, hinted{err, "--base takes a FILE, a URL, or a name that berry catalogue lists"}
	}
	return nil, hinted{err, "berry init ANOTHER.yaml, to see what a profile looks like"}
}

// cacheDir is where downloads and decompressed bases are kept: what the flag
// says, else berry's folder below XDG_CACHE_HOME or ~/.cache.
func cacheDir(env Env, flag string) (string, error) {
	switch {
	case flag != "":
		return filepath.Abs(flag)
	case env.Getenv("XDG_CACHE_HOME") != "":
		return filepath.Join(env.Getenv("XDG_CACHE_HOME"), "berry"), nil
	case env.Getenv("HOME") != "":
		return filepath.Join(env.Getenv("HOME"), ".cache", "berry"), nil
	}
	return "", hinted{errors.New("no place for the cache: neither XDG_CACHE_HOME nor HOME is set"), "berry build --cache DIR"}
}
