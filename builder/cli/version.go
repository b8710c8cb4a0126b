package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func newVersion(env Env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "say which berry this is",
		Long: `version prints what this berry was made from: the commit, when that was made and
whether files were changed since, Go, and the checksums of the berry-firstboot
programs that it lays into images. What Go has not recorded is left out: a berry that
was not built in a git clone (but in a worktree, or from a tarball) knows no commit.
` + exits(),
		Example: "  berry version\n  berry version --json",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			made, err := madeFrom(env)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(env.Stdout, made)
			}
			return made.print(env.Stdout)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}

// origin is what a berry was made from.
type origin struct {
	Version   string            `json:"version"`
	Commit    string            `json:"commit,omitempty"`
	Time      time.Time         `json:"time,omitzero"` // of the commit
	Changed   bool              `json:"changed"`       // since the commit
	Go        string            `json:"go"`
	Platform  string            `json:"platform"`
	Firstboot map[string]string `json:"firstboot"` // SHA-256 by Debian's architecture
}

// madeFrom gathers what Go has recorded in the program, and sums what is embedded.
func madeFrom(env Env) (origin, error) {
	o := recorded()
	o.Firstboot = map[string]string{}
	for _, arch := range firstbootArchs {
		program, err := env.Firstboot(arch)
		if err != nil {
			return origin{}, err
		}
		sum := sha256.Sum256(program)
		o.Firstboot[arch] = hex.EncodeToString(sum[:])
	}
	return o, nil
}

// firstbootArchs are the architectures of Raspberry Pi OS, and that of servers.
var firstbootArchs = []string{"arm64", "armhf", "amd64"}

// recorded is what Go has recorded in the program.
func recorded() origin {
	o := origin{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return o
	}
	o.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			o.Commit = s.Value
			o.Version = s.Value[:min(12, len(s.Value))]
		case "vcs.time":
			o.Time, _ = time.Parse(time.RFC3339, s.Value) // Go writes it so
		case "vcs.modified":
			o.Changed = s.Value == "true"
		}
	}
	if o.Changed && o.Commit != "" {
		o.Version += "+changes"
	}
	return o
}

// version names this berry in one word.
func version() string { return recorded().Version }

// print writes it for a person.
func (o origin) print(w io.Writer) error {
	fmt.Fprintf(w, "berry %s\n", o.Version)
	if o.Commit != "" {
		since := "nothing changed since"
		if o.Changed {
			since = "with changes since"
		}
		fmt.Fprintf(w, "commit %s of %s, %s\n", o.Commit, o.Time.UTC().Format(time.RFC3339), since)
	}
	fmt.Fprintf(w, "built by %s for %s\n", o.Go, o.Platform)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	for _, arch := range firstbootArchs {
		fmt.Fprintf(t, "berry-firstboot for %s:\tsha256 %s\n", arch, o.Firstboot[arch])
	}
	return t.Flush()
}
