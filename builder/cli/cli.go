// Package cli is the command line of berry: one command, one file. A command
// reads its flags, calls the package that does the work, and prints; it decides
// nothing about images. Main is a function of its Env, so that a test calls it as
// a person types it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"berries/profiles"
)

// Env is everything a command may take from outside.
type Env struct {
	Args           []string // without the program's name
	Stdout, Stderr io.Writer
	Terminal       bool // Stderr is a terminal: progress is a bar
	Getenv         func(string) string
	// Firstboot gives the berry-firstboot binary for a Debian architecture.
	Firstboot func(arch string) ([]byte, error)
}

// The exit codes of every command.
const (
	exitOK          = 0
	exitFailed      = 1   // the work could not be done
	exitUsage       = 2   // the command line makes no sense
	exitMistakes    = 3   // the profile has mistakes; nothing was written
	exitBadImage    = 4   // an image was checked and found bad
	exitInterrupted = 130 // stopped by the person
)

const exitCodes = `
Exit codes: 0 done, 1 failed, 2 wrong command line, 3 mistakes in the profile
(nothing was written), 4 an image is bad, 130 interrupted.`

// usageError is a command line that makes no sense.
type usageError struct{ error }

// hinted is an error with the line that says what to type next.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// errBadImage says that the report is printed already.
var errBadImage = errors.New("an image is bad")

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
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		fmt.Fprintln(env.Stderr, "berry: interrupted; nothing half-made is left")
		return exitInterrupted
	case errors.As(err, &mistakes):
		fmt.Fprintln(env.Stderr, mistakes.Error())
		return exitMistakes
	case errors.Is(err, errBadImage):
		return exitBadImage
	}
	fmt.Fprintf(env.Stderr, "berry: %v\n", err)
	if errors.As(err, &hint) {
		fmt.Fprintf(env.Stderr, "hint: %s\n", hint.hint)
	}
	if errors.As(err, &usage) {
		return exitUsage
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
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return hinted{usageError{err}, c.CommandPath() + " --help"}
	})
	root.AddCommand(newInit(env), newCheck(env), newPlan(env), newBuild(env), newVerify(env), newCatalogue(env), newVersion(env))
	return root
}

// args wraps cobra's checks of positional arguments as usage errors.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		if err := check(c, a); err != nil {
			return hinted{usageError{err}, c.CommandPath() + " --help"}
		}
		return nil
	}
}

// load reads a profile; base, when given, stands in for the profile's own.
func load(env Env, path, base string) (*profiles.Cluster, error) {
	return profiles.Load(path, profiles.Env{Getenv: env.Getenv, HomeDir: env.Getenv("HOME"), BaseOverride: base})
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
