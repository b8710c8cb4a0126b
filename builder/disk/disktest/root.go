package disktest

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Features of pi-gen's mkfs.ext4 -O ^64bit,^huge_file with the mke2fs.conf of
// each release.
const (
	bookwormFeatures = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file,dir_nlink,extra_isize,metadata_csum"
	trixieFeatures   = bookwormFeatures + ",metadata_csum_seed,orphan_file"
)

// root makes the root filesystem.
func (m maker) root() {
	m.t.Helper()
	features := map[Suite]string{Trixie: trixieFeatures, Bookworm: bookwormFeatures}[m.options.Suite]
	m.run("", "mke2fs", "-q", "-F", "-L", "rootfs", "-b", "4096", "-I", "256", "-i", "16384", "-J", "size=16", "-O", features,
		"-U", "fc7a1f9e-4967-4f41-a1f5-1b5927e6c5f9",
		"-E", fmt.Sprintf("offset=%d,hash_seed=0a1b2c3d-0000-4000-8000-000000000001,root_owner=0:0,nodiscard,lazy_itable_init=0,lazy_journal_init=0", rootStart),
		m.image, strconv.Itoa(rootSize/4096))
	device := fmt.Sprintf("%s?offset=%d", m.image, rootStart)
	m.run(m.script(m.tree()), "debugfs", "-w", "-f", "-", device)
	m.run("", "e2fsck", "-fyD", device) // makes hashed directories of the big ones
	switch m.options.Fault {
	case Dirty:
		m.run("ssv state 0\n", "debugfs", "-w", "-f", "-", device)
	case NeedsRecovery:
		m.run("feature needs_recovery\n", "debugfs", "-w", "-f", "-", device)
	case UnknownFeature:
		m.poke(rootStart+1024+92+3, 0x40) // a high bit of the compatible features
	}
}

// node is one thing in the tree.
type node struct {
	mode     int // with the kind of file, as stat has it
	uid, gid int
	content  string // or a symlink's target
}

const (
	isDir     = 0o040000
	isFile    = 0o100000
	isSymlink = 0o120000
)

// script is the debugfs requests that make a tree.
func (m maker) script(tree map[string]node) string {
	var out strings.Builder
	for i, p := range sortedKeys(tree) {
		n := tree[p]
		switch n.mode &^ 0o7777 {
		case isDir:
			fmt.Fprintf(&out, "mkdir %s\n", p)
		case isSymlink:
			fmt.Fprintf(&out, "symlink %s %s\n", p, n.content)
			continue
		default:
			source := filepath.Join(m.dir, "root", strconv.Itoa(i))
			m.write(source, n.content)
			fmt.Fprintf(&out, "write %s %s\n", source, p)
		}
		fmt.Fprintf(&out, "sif %s mode %#o\nsif %s uid %d\nsif %s gid %d\n", p, n.mode, p, n.uid, p, n.gid)
	}
	return out.String()
}

// tree is the root filesystem, folders above its files included.
func (m maker) tree() map[string]node {
	tree := map[string]node{}
	for _, part := range []map[string]node{m.skeleton(), m.etc(), m.accounts(), m.packages(), m.units(), m.networking()} {
		maps.Copy(tree, part)
	}
	for p, content := range m.options.Files {
		tree[p] = file(0o644, content)
	}
	for _, p := range sortedKeys(tree) {
		for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
			if _, ok := tree[dir]; !ok {
				tree[dir] = node{mode: isDir | 0o755}
			}
		}
	}
	return tree
}

func file(mode int, content string) node { return node{mode: isFile | mode, content: content} }
func link(target string) node            { return node{mode: isSymlink | 0o777, content: target} }
func folder(mode int) node               { return node{mode: isDir | mode} }

// owned gives a node another owner than root.
func (n node) owned(uid, gid int) node {
	n.uid, n.gid = uid, gid
	return n
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
