package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "write the man pages",
		Long: `man writes a man page for berry and one for each of its commands into a folder:
DIR/berry.1, DIR/berry-build.1 and so on. They bear the date of SOURCE_DATE_EPOCH
(seconds since 1970) where it is set, else that of the commit berry was built from, or
none where that is not known, so that the same berry always writes the same pages.
` + exits(),
		Example: "  berry man man1\n  man -l man1/berry-flash.1",
		Args:    args(cobra.ExactArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(c *cobra.Command, a []string) error {
			date, err := sourceDate(env)
			if err != nil {
				return err
			}
			if date.IsZero() {
				date = recorded().Time
			}
			n, err := writePages(c.Root(), a[0], date)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(env.Stdout, "%d man pages in %s\nnext: man -l %s\n", n, a[0], filepath.Join(a[0], "berry.1"))
			return err
		},
	}
}

// writePages writes the pages of a command and of all below it, and counts them.
func writePages(c *cobra.Command, dir string, date time.Time) (int, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, hinted{fmt.Errorf("cannot make the folder for the man pages: %w", err), "ls -ld " + dir}
	}
	written := 0
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() && sub.Name() != "help" {
			continue
		}
		n, err := writePages(sub, dir, date)
		if written += n; err != nil {
			return written, err
		}
	}
	text, err := page(c, date)
	if err != nil {
		return written, err
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	if err := renameio.WriteFile(filepath.Join(dir, name+".1"), text, 0o644); err != nil {
		return written, fmt.Errorf("cannot write the man page of %s: %w", name, err)
	}
	return written + 1, nil
}

// page is the man page of a command. Cobra knows nothing of exit codes, which are a
// section of their own in it.
func page(c *cobra.Command, date time.Time) ([]byte, error) {
	long := c.Long
	defer func() { c.Long = long }()
	var codes []exit
	c.Long, codes = exitsIn(long)
	var out bytes.Buffer
	err := doc.GenMan(c, &doc.GenManHeader{Section: "1", Source: "berry " + version(), Manual: "berry", Date: &date}, &out)
	if err != nil {
		return nil, fmt.Errorf("cannot make the man page of %s: %w", c.CommandPath(), err)
	}
	text := out.Bytes()
	if date.IsZero() {
		text = bytes.Replace(text, []byte(date.Format(`"Jan 2006"`)), []byte(`""`), 1)
	}
	before, after, found := bytes.Cut(text, []byte(exampleSection))
	if !found || len(codes) == 0 {
		return nil, errors.New(c.CommandPath() + " has no example, or no exit codes")
	}
	return bytes.Join([][]byte{before, exitSection(codes), []byte(exampleSection), after}, nil), nil
}

const exampleSection = ".SH EXAMPLE\n"

// exitSection is the section of exit codes, in roff.
func exitSection(codes []exit) []byte {
	var out bytes.Buffer
	out.WriteString(".SH EXIT STATUS\n")
	for _, e := range codes {
		fmt.Fprintf(&out, ".TP\n.B %d\n%s\n", e.code, e.means)
	}
	return out.Bytes()
}
