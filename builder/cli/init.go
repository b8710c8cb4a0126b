package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"berries/profiles"
)

func newInit(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "init FILE",
		Short: "write a commented profile to start from",
		Long: `init writes a profile with every key, its default and a line that explains it.
A file that exists is never overwritten.
` + exits(),
		Example: "  berry init berries.yaml",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, a []string) error {
			err := writeNew(a[0], profiles.Commented())
			if errors.Is(err, fs.ErrExist) {
				return hinted{fmt.Errorf("%s exists", a[0]), "berry init ANOTHER.yaml, or remove it first"}
			}
			if errors.Is(err, fs.ErrNotExist) {
				return hinted{fmt.Errorf("cannot write the profile: %w", err), "mkdir -p " + filepath.Dir(a[0])}
			}
			if err != nil {
				return hinted{fmt.Errorf("cannot write the profile: %w", err), "ls -ld " + filepath.Dir(a[0])}
			}
			fmt.Fprintf(env.Stdout, "wrote %s\nnext: edit it, then: berry check %s\n", a[0], a[0])
			return nil
		},
	}
}

// writeNew writes a file that must not exist yet.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
