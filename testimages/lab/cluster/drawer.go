package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// drawer is the folder of a node's card that lies beside the node under a label. An
// overlay survives being renamed within its filesystem, and no copying.
func (l *Lab) drawer(name, label string) string { return l.path(nodesDir, name, "drawer-"+label) }

// Eject cuts a node's power and takes its card out, under a label. The next start has
// a new card, unless Insert puts one in.
func (l *Lab) Eject(ctx context.Context, name, label string) error {
	if err := l.Cut(ctx, name); err != nil {
		return err
	}
	if err := os.Mkdir(l.drawer(name, label), 0o755); err != nil {
		return fmt.Errorf("cannot take the card of %s out: %w", name, err)
	}
	return move(l.path(nodesDir, name), l.drawer(name, label))
}

// Insert puts a card back that Eject has taken out. The node must be off, and have no
// card.
func (l *Lab) Insert(name, label string) error {
	if _, err := os.Stat(l.path(nodesDir, name, upperDir)); err == nil {
		return fmt.Errorf("%s has a card; eject it first", name)
	}
	if err := l.scrap(name); err != nil {
		return err
	}
	if err := move(l.drawer(name, label), l.path(nodesDir, name)); err != nil {
		return fmt.Errorf("cannot put the card %s into %s: %w", label, name, err)
	}
	return os.Remove(l.drawer(name, label))
}

// move moves a card from folder to folder.
func move(from, to string) error {
	for _, file := range cardFiles {
		err := os.Rename(from+"/"+file, to+"/"+file)
		if errors.Is(err, fs.ErrNotExist) && file != upperDir {
			continue // a node without a brick
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Written is the folder of what a node has written to its root partition. It is seen
// there as it lies on the card: what the node has mounted does not cover it.
func (l *Lab) Written(name string) string { return l.path(nodesDir, name, upperDir) }
