package stages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"berries/builder/disk"
	"berries/builder/plan"
	"berries/firstboot/node"
)

// installerArchs are the architectures of the servers that people rent.
var installerArchs = []string{"amd64", "arm64"}

// installerHead finds out what server this is, unpacks what is behind it, and has
// berry-firstboot do the rest. What it unpacks are secrets, and goes at the end.
const installerHead = `#!/bin/sh
# Makes a Debian server the node %[1]s of the cluster %[2]s. Run it as root.
# The secrets of that node are in it: keep it to yourself, and delete it afterwards.
set -eu
umask 022
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) echo "$0: there is no berry-firstboot for $(uname -m), only for x86_64 and aarch64" >&2; exit 1 ;;
esac
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/berry.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
tail -n +%[3]d "$0" | tar -xzf - -C "$dir"
mkdir -p "$dir/%[4]s"
mv "$dir/berry-firstboot-$arch" "$dir/%[4]s/berry-firstboot"
"$dir/%[4]s/berry-firstboot" install "$dir"
exit
`

// Installer is a shell script that makes a Debian server one node of the cluster,
// for a server that cannot be flashed: what an image would have of that node, for
// berry-firstboot's install. It has no packages: a server is on the internet.
func Installer(ctx context.Context, o Options, cluster string, planned plan.Image) ([]byte, error) {
	img := &image{Image: planned, Options: o}
	files, err := img.installed(ctx)
	if err != nil {
		return nil, err
	}
	for _, arch := range installerArchs {
		program, err := o.Firstboot(arch)
		if err != nil {
			return nil, err
		}
		files = append(files, disk.Entry{Path: "/berry-firstboot-" + arch, Mode: 0o755, Data: program})
	}
	packages := strings.Join(img.Packages.Install, "\n") + "\n"
	files = append(files, disk.Entry{Path: "/" + node.InstallerPackages, Mode: 0o644, Data: []byte(packages)})
	packed, err := tarball(files, o.Epoch)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf(installerHead, img.Node, cluster, strings.Count(installerHead, "\n")+1,
		node.InstallerFiles+path.Dir(firstbootPath))
	return append([]byte(head), packed...), nil
}

// installed are the files of an image that a server gets, too: our units, the node
// file, and what the secrets folder has for the node. Its own host keys, network,
// logins and settings stay.
func (img *image) installed(ctx context.Context) ([]disk.Entry, error) {
	if err := img.identify(); err != nil {
		return nil, err
	}
	data, err := node.Encode(img.NodeFile)
	if err != nil {
		return nil, err
	}
	items, err := img.certificates(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, f := range img.Files {
		if dir, name := path.Split(f.Path); strings.HasPrefix(dir, "/usr/lib/systemd/system/") && strings.HasPrefix(name, "berry-") {
			items = append(items, item{Entry: entry(f)})
		}
	}
	list := []disk.Entry{{Path: node.Path, Mode: node.Mode, Data: data}}
	for _, it := range items {
		list = append(list, it.Entry)
	}
	for i := range list {
		list[i].Path = "/" + node.InstallerFiles + list[i].Path
	}
	return list, nil
}

// tarball makes a compressed tar archive of files, the same one every time.
func tarball(files []disk.Entry, at time.Time) ([]byte, error) {
	if at.IsZero() {
		at = time.Unix(0, 0)
	}
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, f := range files {
		h := &tar.Header{Name: strings.TrimPrefix(f.Path, "/"), Mode: int64(f.Mode), ModTime: at, Size: int64(len(f.Data)), Typeflag: tar.TypeReg}
		switch f.Kind {
		case disk.Dir:
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		case disk.Symlink:
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.Target
		}
		if err := archive.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.Data); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
