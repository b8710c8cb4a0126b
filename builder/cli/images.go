package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"berries/builder/card"
	"berries/builder/pack"
	"berries/builder/progress"
	"berries/firstboot/host"
)

// openImage finds the image that was named: a path, or a node of the output folder, of
// which the form that is read quickest is taken.
func (j *flashJob) openImage(ctx context.Context, out string, show progress.Sink) (err error) {
	path, isNode := j.named, j.isNode()
	if isNode {
		path = imageOf(out, j.named)
	}
	j.image, err = card.OpenImage(ctx, host.Exec{}, path, show)
	switch {
	case ctx.Err() != nil:
		return interrupted{context.Cause(ctx), "nothing was written"}
	case errors.Is(err, fs.ErrNotExist) && isNode:
		return hinted{fmt.Errorf("there is no image of %s in the folder %s%s", j.named, out, others(out)),
			fmt.Sprintf("berry build PROFILE %s -o %s, or name the folder with -o or the image itself", j.named, out)}
	case errors.Is(err, fs.ErrNotExist):
		return hinted{fmt.Errorf("%s is not there", path), "berry build PROFILE -o DIR makes images"}
	}
	var told hinted
	if err = refused(err); err != nil && !errors.As(err, &told) {
		return hinted{err, "berry verify " + path}
	}
	return err
}

// isNode tells whether what was named is a node, and not a file.
func (j *flashJob) isNode() bool {
	return !strings.ContainsRune(j.named, filepath.Separator) && filepath.Ext(j.named) == ""
}

// imageOf is the image of a node in a folder.
func imageOf(dir, node string) string {
	raw := filepath.Join(dir, node+"."+string(pack.Raw))
	for _, form := range pack.Forms() {
		if _, err := os.Stat(form.Of(raw)); err == nil {
			return form.Of(raw)
		}
	}
	return raw
}

// others names the nodes that a folder has images of.
func others(dir string) string {
	names := imagesIn(dir)
	if len(names) == 0 {
		return ""
	}
	return ", only of " + strings.Join(names, ", ")
}

// imagesIn are the nodes that a folder has images of.
func imagesIn(dir string) []string {
	found, _ := filepath.Glob(filepath.Join(dir, "*."+string(pack.Raw)+"*"))
	var names []string
	for _, image := range found {
		if _, ok := pack.FormOf(image); ok {
			names = append(names, strings.TrimSuffix(filepath.Base(pack.RawName(image)), "."+string(pack.Raw)))
		}
	}
	return slices.Compact(names)
}
