package stages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"berries/builder/disk"
	"berries/builder/pack"
	"berries/firstboot/node"
)

// The files that lie beside a finished image, named after it.
const (
	bmapSuffix = ".bmap"
	sumSuffix  = ".sha256"
	sbomSuffix = ".sbom.spdx.json"
	// ManifestSuffix ends the name of a manifest. What has one is whole.
	ManifestSuffix = ".manifest.json"
)

// manifestVersion is raised when a field changes its meaning.
const manifestVersion = 1

// Manifest says what an image is and what was written into it. It holds no
// secret and no digest of one.
type Manifest struct {
	Version    int             `json:"version"`
	Berry      string          `json:"berry"` // the program that made it
	Cluster    string          `json:"cluster"`
	Node       string          `json:"node"`
	Role       string          `json:"role"`
	Base       ManifestBase    `json:"base"`
	Time       time.Time       `json:"time"` // that everything written carries
	Image      ManifestImage   `json:"image"`
	Partitions []ManifestPart  `json:"partitions"`
	NodeFile   string          `json:"node_file_sha256,omitempty"` // "" where it holds a secret
	Boot       []ManifestEntry `json:"boot_files"`                 // written into the boot partition
	Root       []ManifestEntry `json:"root_files"`                 // written into the root filesystem
}

// ManifestBase is the image that this one was made from.
type ManifestBase struct {
	Origin       string `json:"origin"`
	SHA256       string `json:"sha256"` // of the raw image
	Suite        string `json:"suite"`
	Architecture string `json:"architecture"`
}

// ManifestImage is the raw image, and the files that hold it.
type ManifestImage struct {
	File   string      `json:"file"`
	Size   int64       `json:"size"`
	Mapped int64       `json:"mapped"` // bytes that a card must hold; the rest is free space
	SHA256 string      `json:"sha256"`
	Files  []pack.File `json:"files"` // one for each form; the raw image may not be among them
}

// ManifestPart is one partition.
type ManifestPart struct {
	Number   int    `json:"number"`
	PARTUUID string `json:"partuuid"`
	Start    int64  `json:"start"` // bytes
	Size     int64  `json:"size"`  // bytes
}

// ManifestEntry is one file, directory or symbolic link that was written.
type ManifestEntry struct {
	Path   string `json:"path"`
	Kind   string `json:"kind"` // file, dir or symlink
	Mode   string `json:"mode"` // octal
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	Size   int64  `json:"size,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // of a file that is no secret
	Target string `json:"target,omitempty"` // of a symlink
	Secret bool   `json:"secret,omitempty"`
}

// newManifest begins the manifest of an image; the stages add to it.
func newManifest(img *image) Manifest {
	m := Manifest{
		Version: manifestVersion,
		Berry:   img.Version,
		Cluster: img.NodeFile.Cluster,
		Node:    img.Node,
		Role:    string(img.Role),
		Base: ManifestBase{Origin: img.base.Origin, SHA256: img.base.SHA256,
			Suite: img.suite, Architecture: img.base.arch},
		Time:  img.Epoch.UTC(),
		Image: ManifestImage{File: img.File},
	}
	return m
}

// partitions notes the finished table.
func (m *Manifest) partitions(t disk.Table) {
	for _, p := range t.Partitions {
		m.Partitions = append(m.Partitions, ManifestPart{p.Number, t.PARTUUID(p.Number), p.Start, p.Size})
	}
}

// wroteBoot notes a file of the boot partition.
func (m *Manifest) wroteBoot(name string, data []byte) {
	m.Boot = append(m.Boot, ManifestEntry{Path: name, Kind: "file", Size: int64(len(data)), SHA256: digest(data)})
}

// wrote notes a thing written into the root filesystem.
func (m *Manifest) wrote(it item) {
	e := ManifestEntry{Path: it.Path, Kind: kinds[it.Kind], Mode: fmt.Sprintf("%04o", it.Mode),
		UID: it.UID, GID: it.GID, Target: it.Target, Secret: it.secret}
	if it.Kind == disk.File {
		e.Size = int64(len(it.Data))
		if !it.secret {
			e.SHA256 = digest(it.Data)
		}
	}
	if it.Path == node.Path {
		m.NodeFile = e.SHA256
	}
	m.Root = append(m.Root, e)
}

// copied notes a file of this machine that was copied into the root filesystem.
func (m *Manifest) copied(e disk.Entry, size int64, sha256 string) {
	m.Root = append(m.Root, ManifestEntry{Path: e.Path, Kind: kinds[e.Kind], Mode: fmt.Sprintf("%04o", e.Mode),
		UID: e.UID, GID: e.GID, Size: size, SHA256: sha256})
}

// kinds are the words of the manifest for what disk writes.
var kinds = map[disk.Kind]string{disk.File: "file", disk.Dir: "dir", disk.Symlink: "symlink"}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// ReadManifest reads the manifest beside a raw image, or beside where it would be.
func ReadManifest(image string) (*Manifest, error) {
	data, err := os.ReadFile(image + ManifestSuffix)
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", image+ManifestSuffix, err)
	}
	if m.Version != manifestVersion {
		return nil, fmt.Errorf("%s has version %d, and this berry knows %d", image+ManifestSuffix, m.Version, manifestVersion)
	}
	return &m, nil
}
