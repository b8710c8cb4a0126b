package stages

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"berries/builder/disk"
	"berries/firstboot/gluster"
	"berries/firstboot/node"
)

// identify fills in what is not shown with the plan: from the secrets folder the
// cluster's id, the tunnel's keys, the UUIDs of the members of the node's trusted pool
// and the keys of geo-replication, and from the profile the password of the dynamic DNS
// and the key of the site's certificate.
func (img *image) identify() error {
	id, err := img.Secrets.ClusterID()
	if err != nil {
		return err
	}
	img.NodeFile.ID = id
	if img.NodeFile.DDNS != nil {
		d := *img.NodeFile.DDNS
		d.Password = img.DDNSPassword.Reveal()
		img.NodeFile.DDNS = &d
	}
	if err := img.join(); err != nil {
		return err
	}
	if err := img.introduce(); err != nil {
		return err
	}
	if !img.HTTPSKey.IsZero() {
		b := *img.NodeFile.Balancer
		s := *b.HTTPS
		s.Pair = &node.Pair{Chain: s.Pair.Chain, Key: img.HTTPSKey.Reveal()}
		b.HTTPS = &s
		img.NodeFile.Balancer = &b
	}
	if img.NodeFile.Gluster == nil {
		return nil
	}
	g := *img.NodeFile.Gluster
	g.Members = slices.Clone(g.Members)
	for i := range g.Members {
		if g.Members[i].UUID, err = img.Secrets.GlusterUUID(g.Members[i].Name); err != nil {
			return err
		}
	}
	img.NodeFile.Gluster = &g
	return nil
}

// secretive tells whether the node file has a secret, and is not to be shown.
func (img *image) secretive() bool {
	f := img.NodeFile
	return f.DDNS != nil || f.Tunnel != nil || f.GeoRep != nil || !img.HTTPSKey.IsZero()
}

// join fills in the tunnel's keys: the node's own, and of the others the public halves.
func (img *image) join() error {
	if img.NodeFile.Tunnel == nil {
		return nil
	}
	t := *img.NodeFile.Tunnel
	t.Ends = slices.Clone(t.Ends)
	for i := range t.Ends {
		key, err := img.Secrets.TunnelKey(t.Ends[i].Name)
		if err != nil {
			return err
		}
		t.Ends[i].Key = key.Public
		if t.Ends[i].Name == img.Node {
			t.Key = key.Private
		}
	}
	img.NodeFile.Tunnel = &t
	return nil
}

// introduce gives both ends of geo-replication the keys that they know each other by: a
// storage node its own and the remote's host keys, the remote the public halves only.
func (img *image) introduce() error {
	if img.NodeFile.GeoRep != nil {
		g := *img.NodeFile.GeoRep
		own, err := img.Secrets.GeoRepKeys(img.Node)
		if err != nil {
			return err
		}
		hosts, err := img.Secrets.HostKeys(g.Remote)
		if err != nil {
			return err
		}
		g.Key, g.TarKey, g.HostKeys = string(own.Session.Private), string(own.Tar.Private), nil
		for _, k := range hosts {
			g.HostKeys = append(g.HostKeys, k.Line())
		}
		img.NodeFile.GeoRep = &g
	}
	if img.NodeFile.Secondary != nil {
		s := *img.NodeFile.Secondary
		s.Primaries = slices.Clone(s.Primaries)
		for i, p := range s.Primaries {
			keys, err := img.Secrets.GeoRepKeys(p.Name)
			if err != nil {
				return err
			}
			s.Primaries[i].Key, s.Primaries[i].TarKey = keys.Session.Line(), keys.Tar.Line()
		}
		img.NodeFile.Secondary = &s
	}
	return nil
}

// certificates are the node's certificate and key and the CA's certificate. The
// CA's key stays on the workstation.
func (img *image) certificates(context.Context, *disk.Ext4) ([]item, error) {
	ca, err := img.Secrets.CA()
	if err != nil {
		return nil, err
	}
	pair, err := img.Secrets.NodeCert(img.Node)
	if err != nil {
		return nil, err
	}
	secret := func(path string, data []byte) item {
		return item{disk.Entry{Path: path, Mode: 0o600, Data: data}, true}
	}
	list := []item{
		{Entry: disk.Entry{Path: path.Dir(node.CAPath), Kind: disk.Dir, Mode: 0o700}},
		secret(node.CAPath, ca), secret(node.CertPath, pair.Cert), secret(node.KeyPath, pair.Key),
	}
	if img.NodeFile.Gluster == nil {
		return list, nil
	}
	for _, l := range gluster.CertLinks(node.CertPath, node.KeyPath, node.CAPath) {
		list = append(list, item{Entry: disk.Entry{Path: l.Path, Kind: disk.Symlink, Target: l.Target}})
	}
	return list, nil
}

// seeds are the files with which glusterd's first start is inside the trusted
// pool, and under TLS.
func (img *image) seeds(context.Context, *disk.Ext4) ([]item, error) {
	g := img.NodeFile.Gluster
	if g == nil {
		return nil, nil
	}
	version, err := img.glusterVersion()
	if err != nil {
		return nil, err
	}
	files, err := gluster.Seeds(img.Node, g.Members, version)
	if err != nil {
		return nil, err
	}
	list := []item{
		{Entry: disk.Entry{Path: path.Dir(gluster.PeersDir), Kind: disk.Dir, Mode: 0o755}},
		{Entry: disk.Entry{Path: gluster.PeersDir, Kind: disk.Dir, Mode: 0o755}},
	}
	for _, f := range files {
		list = append(list, item{Entry: disk.Entry{Path: f.Path, Mode: gluster.SeedMode, Data: []byte(f.Text)}})
	}
	return list, nil
}

// glusterVersion is the release of GlusterFS that the node will install.
func (img *image) glusterVersion() (gluster.Version, error) {
	const name = "glusterfs-server"
	for _, p := range img.pins.packages[img.Role] {
		if p.Name != name {
			continue
		}
		v, err := gluster.ParseVersion(upstream(p.Version))
		if err != nil {
			return gluster.Version{}, fmt.Errorf("%s %s: %w", name, p.Version, err)
		}
		return v, nil
	}
	return gluster.Version{}, fmt.Errorf("the lock has no %s for a %s node; type: berry lock PROFILE", name, img.Role)
}

// upstream is a Debian version without its epoch and Debian's own part
// (deb-version(7)).
func upstream(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	if i := strings.LastIndexByte(version, '-'); i >= 0 {
		version = version[:i]
	}
	return version
}
