package support

import (
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/redact"
)

// places are the files and folders of a node that hold secrets. Those of the node file are
// known without them; what else is there came with the base, or was made on the node.
var places = []string{
	"/etc/berry", // its keys, those of the tunnel and of geo-replication
	"/etc/shadow",
	"/etc/ssh",
	"/etc/ddclient.conf",
	"/etc/NetworkManager/system-connections",
	"/run/NetworkManager/system-connections",
	"/etc/netplan",
	"/etc/wpa_supplicant",
	"/etc/ssl/glusterfs.key",
	"/usr/lib/ssl/glusterfs.key",
	"/var/lib/glusterd/vols", // each volume's own password
	"/var/lib/glusterd/geo-replication",
	"/var/lib/apache2/md", // the keys of certificates that an authority gave
}

const (
	maxDepth = 6       // of folders
	maxFile  = 1 << 20 // bytes; no secret is in a larger one
)

// secretsOf knows all secrets of a node.
func secretsOf(files *host.Files, f node.File) *redact.Redactor {
	r := &redact.Redactor{}
	for _, secret := range f.Secrets() {
		r.Add(secret)
	}
	if f.DDNS != nil {
		r.AddLogin(f.DDNS.Login, f.DDNS.Password)
	}
	for _, name := range places {
		find(files, name, maxDepth, r)
	}
	return r
}

// find looks for secrets in a file, or in the files of a folder.
func find(files *host.Files, name string, depth int, r *redact.Redactor) {
	info, err := files.Stat(name)
	switch {
	case err != nil || depth == 0:
	case info.IsDir():
		names, err := files.List(name)
		if err != nil {
			return
		}
		for _, inner := range names {
			find(files, name+"/"+inner, depth-1, r)
		}
	case info.Mode().IsRegular() && info.Size() <= maxFile:
		if text, err := files.Read(name); err == nil {
			r.Find(text)
		}
	}
}
