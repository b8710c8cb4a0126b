package secrets

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ClusterID returns the id by which nodes tell their cluster from another of the
// same name: a random UUID, made once.
func (f Folder) ClusterID() (string, error) {
	id, err := uuid(filepath.Join(f.dir, "cluster.id"))
	if err != nil {
		return "", fmt.Errorf("cannot get the cluster's id: %w", err)
	}
	return id, nil
}

// GlusterUUID returns the UUID that a node has in the trusted pool: random, made
// once, so that a card flashed anew is the same peer again.
func (f Folder) GlusterUUID(node string) (string, error) {
	dir := filepath.Join(f.dir, node)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the secrets folder of %s: %w", node, err)
	}
	id, err := uuid(filepath.Join(dir, "gluster.uuid"))
	if err != nil {
		return "", fmt.Errorf("cannot get the Gluster UUID of %s: %w", node, err)
	}
	return id, nil
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$`)

// uuid reads a file with one UUID of version 4 (RFC 9562), or mints it.
func uuid(path string) (string, error) {
	line, err := create(path, func() ([]byte, error) {
		var b [16]byte
		rand.Read(b[:])
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		return fmt.Appendf(nil, "%x-%x-%x-%x-%x\n", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
	})
	if err != nil {
		return "", err
	}
	if !uuidForm.Match(line) {
		return "", fmt.Errorf("%s is damaged; restore it from a backup: it is not one line with a UUID of version 4", path)
	}
	return strings.TrimSpace(string(line)), nil
}
