package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
)

// File is a file, directory or symbolic link of the root filesystem.
type File struct {
	Path     string
	Mode     fs.FileMode // permission bits; 0 for a link
	Dir      bool
	UID, GID int
	Data     []byte
	Link     string // target, when it is a symbolic link
	// If and Unless limit the file to bases that have, or lack, a path.
	If, Unless string
	// Secret files are listed, but neither their content nor a digest of it is
	// shown.
	Secret bool
}

// Kind is file, dir or link.
func (f File) Kind() string {
	switch {
	case f.Link != "":
		return "link"
	case f.Dir:
		return "dir"
	}
	return "file"
}

// MarshalJSON shows what is decided about the file, and of its content only the
// size and digest.
func (f File) MarshalJSON() ([]byte, error) {
	shown := struct {
		Path   string `json:"path"`
		Kind   string `json:"kind"`
		Mode   string `json:"mode,omitempty"` // octal
		UID    int    `json:"uid"`
		GID    int    `json:"gid"`
		Size   int    `json:"size,omitempty"`
		SHA256 string `json:"sha256,omitempty"`
		Target string `json:"target,omitempty"`
		If     string `json:"if,omitempty"`
		Unless string `json:"unless,omitempty"`
		Secret bool   `json:"secret,omitempty"`
	}{Path: f.Path, Kind: f.Kind(), UID: f.UID, GID: f.GID, Target: f.Link, If: f.If, Unless: f.Unless, Secret: f.Secret}
	if f.Link == "" {
		shown.Mode = fmt.Sprintf("%04o", f.Mode)
	}
	if shown.Kind == "file" && !f.Secret {
		sum := sha256.Sum256(f.Data)
		shown.Size, shown.SHA256 = len(f.Data), hex.EncodeToString(sum[:])
	}
	return json.Marshal(shown)
}
