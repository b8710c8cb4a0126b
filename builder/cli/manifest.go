package cli

import (
	"bytes"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"berries/builder/imager"
)

func newManifest(env Env) *cobra.Command {
	var at, output string
	c := &cobra.Command{
		Use:   "manifest DIR|IMAGE...",
		Short: "list images for Raspberry Pi Imager",
		Long: `manifest writes the list of images that Raspberry Pi Imager reads (os_list), of all
images of a folder or of those that are named. Imager shows them in place of its own,
checks what it has read and written, and leaves the images as they are. Of an image in
several forms a folder's list has the .img.xz, then the .img.zst, then the .img.

Without --url the list is for this computer, or for whoever finds the images under the
same path: in Imager 2, App Options, Content Repository, Use custom file. With --url it
has addresses below that one, for images that are on a web server. They hold private
keys: whoever can read them can take a node's place. See also berry serve.
` + exits(),
		Example:           "  berry manifest out -o os_list.json\n  berry manifest out/cluster01.img.xz --url https://www.example.org/berries -o os_list.json",
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: imagesAlone,
		RunE: func(c *cobra.Command, a []string) error {
			return manifest(env, a, at, output)
		},
	}
	c.Flags().StringVar(&at, "url", "", "address of the folder on a web server")
	c.Flags().StringVarP(&output, "output", "o", "", "file to write (default: print it)")
	return c
}

// manifest does what newManifest says.
func manifest(env Env, paths []string, at, output string) error {
	base, err := url.Parse(at)
	if err != nil || at != "" && (base.Scheme != "http" && base.Scheme != "https" || base.Host == "") {
		return hinted{usageError{fmt.Errorf("%q is no http or https address", at)}, "berry manifest out --url https://www.example.org/berries"}
	}
	images, err := findImages(paths...)
	if err != nil {
		return err
	}
	for i := range images {
		if images[i].Dir, err = filepath.Abs(images[i].Dir); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	err = printJSON(&text, imager.NewList(images, func(i imager.Image) string {
		if at == "" {
			return (&url.URL{Scheme: "file", Path: filepath.ToSlash(i.Path())}).String()
		}
		return base.JoinPath(i.File.File).String()
	}))
	if err != nil {
		return err
	}
	if output == "" {
		_, err := env.Stdout.Write(text.Bytes())
		return err
	}
	if err := renameio.WriteFile(output, text.Bytes(), 0o644); err != nil {
		return hinted{fmt.Errorf("cannot write the list: %w", err), "ls -ld " + filepath.Dir(output)}
	}
	return nil
}

// findImages finds built images.
func findImages(paths ...string) ([]imager.Image, error) {
	images, err := imager.Find(paths...)
	if err != nil {
		return nil, hinted{err, "berry build PROFILE -o DIR makes images"}
	}
	return images, nil
}
