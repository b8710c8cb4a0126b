package apt

import (
	"bytes"
	"fmt"

	"github.com/google/renameio/v2"
	"gopkg.in/yaml.v3"
)

// lockVersion is raised when a key changes its meaning.
const lockVersion = 1

// lockHead is what a person reads first in the file.
const lockHead = `# The base image and the packages of this cluster, pinned by SHA-256. berry build
# takes exactly these bytes; berry lock takes today's and says what changed.
# Keep this file with the profile. It is not meant to be edited.
`

// lockFile is the file's own layout.
type lockFile struct {
	Version int `yaml:"version"`
	*Lock   `yaml:",inline"`
}

// Write replaces the lock file at path. The same lock gives the same bytes; a
// Write that fails leaves what was there. What ReadLock would refuse is not
// written.
func (l *Lock) Write(path string) error {
	text, err := l.encode()
	if err == nil {
		_, err = parseLock(path, text)
	}
	if err == nil {
		err = renameio.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write the lock: %w", err)
	}
	return nil
}

func (l *Lock) encode() ([]byte, error) {
	var text bytes.Buffer
	text.WriteString(lockHead)
	e := yaml.NewEncoder(&text)
	e.SetIndent(2)
	if err := e.Encode(lockFile{lockVersion, l}); err != nil {
		return nil, err
	}
	return text.Bytes(), e.Close()
}
