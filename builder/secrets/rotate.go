package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Old is what the name of a file ends with that a rotation moved aside. One
// generation is kept, for a rotation that was a mistake: rename it back before
// anything is flashed.
const Old = ".old"

// Rotate gives a node a new certificate and key from the same CA, and has the next
// build mint a new tunnel key. The old certificate stays valid: nothing on a node
// knows of revocation. Against one in wrong hands only RotateAll helps. The old tunnel
// key is worth nothing once the hub has been told the new one.
func (f Folder) Rotate(node string) error {
	err := errors.Join(aside(filepath.Join(f.dir, node, tunnelFile)), aside(filepath.Join(f.dir, node, nodeFile)))
	if err == nil {
		_, err = f.NodeCert(node)
	}
	if err != nil {
		return fmt.Errorf("cannot rotate the certificate of %s: %w", node, err)
	}
	return nil
}

// RotateAll makes a new CA, and from it new certificates and keys for the operator
// and the nodes named. Those of any other node are moved aside too, and so are all
// tunnel keys and keys of geo-replication, which the next build mints anew. Identities stay: the cluster's id,
// Gluster UUIDs, SSH host keys.
//
// The CA goes last: cut off before, the folder still holds one CA and only
// certificates from it, and missing ones are made by the next build.
func (f Folder) RotateAll(nodes []string) error {
	if err := f.rotateAll(nodes); err != nil {
		return fmt.Errorf("cannot rotate the cluster's certificates: %w", err)
	}
	return nil
}

func (f Folder) rotateAll(nodes []string) error {
	var files []string
	for _, name := range []string{tunnelFile, geoSessionFile, geoSessionFile + ".pub", geoTarFile, geoTarFile + ".pub", nodeFile} {
		some, err := filepath.Glob(filepath.Join(f.dir, "*", name))
		if err != nil {
			return err
		}
		files = append(files, some...)
	}
	for _, file := range append(files, filepath.Join(f.dir, operatorFile), filepath.Join(f.dir, caFile)) {
		if err := aside(file); err != nil {
			return err
		}
	}
	if _, err := f.OperatorCert(); err != nil {
		return err
	}
	for _, node := range nodes {
		if _, err := f.NodeCert(node); err != nil {
			return err
		}
	}
	return nil
}

// aside gives a file its old name. One that is not there is no error.
func aside(file string) error {
	if err := os.Rename(file, file+Old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
