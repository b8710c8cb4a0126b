// Package plan decides what each image of a cluster will hold. New turns a
// validated Cluster into a Plan and touches nothing: no file, no clock, no
// randomness, so the same profile gives the same plan, byte for byte, and
// printing it is the dry run. What depends on the base image (its architecture,
// whether it has NetworkManager) is in the plan as a condition on a file; the
// stages, which see the base, apply it. SSH host keys are no part of a plan: they
// are secrets, minted once and kept on the workstation.
package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path"

	"berries/firstboot/node"
	"berries/profiles"
)

const (
	// Align is what partitions start at and are multiples of (pi-gen's
	// export-image/prerun.sh since 2025-03).
	Align = 8 << 20
	// BrickLabel is the label of the third partition's filesystem. It is how
	// fstab and the card step find it, since partition ids may be rewritten.
	BrickLabel = "berry-brick"
	// UserID is the uid and gid of the first user of every Raspberry Pi OS.
	UserID = 1000
)

// Plan is what `berry build` will do.
type Plan struct {
	Cluster  string        `json:"cluster"`
	Base     profiles.Base `json:"base"`
	Suite    string        `json:"suite"`
	RootSize int64         `json:"root_size"` // bytes of partition 2, a multiple of Align; more where the packages need it
	Apt      profiles.Apt  `json:"apt"`
	// Roles are the packages that every role of the cluster installs, also of
	// those whose nodes are left out of Images: one lock is for all.
	Roles  map[string][]string `json:"-"`
	Images []Image             `json:"images"`
}

// Image is one node's image.
type Image struct {
	Node string        `json:"node"`
	Role profiles.Role `json:"role"`
	File string        `json:"file"` // file name of the image
	// Signature is the disk signature at offset 440 of the MBR. PARTUUIDs are
	// made of it, so no two nodes may share one.
	Signature Signature `json:"signature"`
	RootSize  int64     `json:"root_size"`
	// Brick is nil on a node without one.
	Brick    *Brick   `json:"brick,omitempty"`
	Cmdline  Cmdline  `json:"cmdline"`
	Hostname string   `json:"hostname"`
	User     User     `json:"user"`
	Files    []File   `json:"files"`
	Packages Packages `json:"packages"`
	// NodeFile lacks what is not decided here: the packages' versions, which are
	// the lock's, and ids and keys, which are minted. It lacks DDNSPassword and
	// HTTPSKey, too, because it is shown.
	NodeFile node.File `json:"node_file"`
	// DDNSPassword is there where NodeFile.DDNS is.
	DDNSPassword profiles.Secret `json:"ddns_password,omitzero"`
	// HTTPSKey is there where the balancer was given a certificate.
	HTTPSKey profiles.Secret `json:"https_key,omitzero"`
	// Unblock is true when the node has a wireless network, so that the radio
	// must not stay blocked (pi-gen blocks it while no country is set).
	Unblock bool `json:"wifi_unblock,omitempty"`
}

// Signature is a disk signature; its text form is that of a PARTUUID.
type Signature uint32

// String gives eight hex digits, as in PARTUUID=xxxxxxxx-02.
func (s Signature) String() string { return fmt.Sprintf("%08x", uint32(s)) }

// MarshalText makes JSON use the hex form.
func (s Signature) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Brick is the third partition.
type Brick struct {
	Label    string `json:"label"`
	Mount    string `json:"mount"`
	Dir      string `json:"dir"`       // below Mount
	UUID     string `json:"uuid"`      // of the filesystem
	HashSeed string `json:"hash_seed"` // of its directories, a UUID
}

// Cmdline is how the kernel's command line changes.
type Cmdline struct {
	Drop []string `json:"drop"`          // words to remove
	Set  []string `json:"set,omitempty"` // key=value words to set or add; root= comes from the signature
}

// User is the account with UserID.
type User struct {
	Name         string          `json:"name"`
	PasswordHash profiles.Secret `json:"password_hash"`
}

// New decides. The error is a fault of this program (a template that does not
// render), not of the profile.
func New(c *profiles.Cluster) (*Plan, error) {
	p := &Plan{Cluster: c.Name, Base: c.Base, Suite: c.Suite, RootSize: AlignUp(c.RootSize), Apt: c.Apt, Roles: roles(c)}
	taken := map[Signature]bool{}
	for _, n := range c.Nodes {
		img := Image{
			Node:      n.Name,
			Role:      n.Role,
			File:      n.Name + ".img",
			Signature: signature(c.Name, n.Name, taken),
			RootSize:  p.RootSize,
			Brick:     brick(c, n),
			Cmdline:   cmdline(c, n),
			Hostname:  n.Name,
			User:      User{c.User.Name, c.User.PasswordHash},
			Packages:  packages(c, n.Role),
			Unblock:   onWiFi(c, n),
		}
		img.NodeFile = nodeFile(c, n, img.Brick)
		if n.DDNS != nil {
			img.DDNSPassword = n.DDNS.Password
		}
		if n.HTTPS != nil {
			img.HTTPSKey = n.HTTPS.Key
		}
		var err error
		if img.Files, err = files(c, n, img); err != nil {
			return nil, fmt.Errorf("cannot plan %s: %w", n.Name, err)
		}
		p.Images = append(p.Images, img)
	}
	return p, nil
}

// Only returns the plan for the named nodes, in the plan's order; no names
// means all. A name that is not in the profile is an error.
func (p *Plan) Only(names []string) (*Plan, error) {
	if len(names) == 0 {
		return p, nil
	}
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	some := *p
	some.Images = nil
	for _, img := range p.Images {
		if want[img.Node] {
			some.Images = append(some.Images, img)
			delete(want, img.Node)
		}
	}
	for _, n := range names {
		if want[n] {
			return nil, fmt.Errorf("cluster %s has no node %q", p.Cluster, n)
		}
	}
	return &some, nil
}

// JSON is the plan for scripts, without secrets.
func (p *Plan) JSON() ([]byte, error) {
	out, err := json.MarshalIndent(p, "", "  ")
	return append(out, '\n'), err
}

// AlignUp rounds a size in bytes up to a multiple of Align.
func AlignUp(size int64) int64 { return (size + Align - 1) / Align * Align }

// signature derives a disk signature from cluster and node name: repeatable,
// never zero, and different for every node of the cluster.
func signature(cluster, name string, taken map[Signature]bool) Signature {
	for n := 0; ; n++ {
		sum := digest("disk signature", cluster, name, fmt.Sprint(n))
		s := Signature(binary.LittleEndian.Uint32(sum[:4]))
		if s != 0 && !taken[s] {
			taken[s] = true
			return s
		}
	}
}

// derivedUUID is a version 8 UUID (RFC 9562, custom) made of its words: images
// built twice must be the same bytes, so nothing in them is random.
func derivedUUID(words ...string) string {
	u := digest(words...)
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// digest hashes words so that no two lists of them give the same input.
func digest(words ...string) [sha256.Size]byte {
	h := sha256.New()
	for _, w := range words {
		fmt.Fprintf(h, "%d:%s,", len(w), w)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// brick plans the third partition of the nodes that hold a brick.
func brick(c *profiles.Cluster, n profiles.Node) *Brick {
	if n.Role == profiles.Balancer {
		return nil
	}
	return &Brick{
		Label:    BrickLabel,
		Mount:    path.Dir(c.Volume.Brick),
		Dir:      c.Volume.Brick,
		UUID:     derivedUUID("brick", c.Name, n.Name),
		HashSeed: derivedUUID("brick hash seed", c.Name, n.Name),
	}
}

// cmdline drops every word that makes a first boot do our work again: trixie's
// resize grows the root partition over the brick, bookworm's init= gives the disk
// another signature (facts: raspberrypi-sys-mods).
func cmdline(c *profiles.Cluster, n profiles.Node) Cmdline {
	line := Cmdline{Drop: []string{"resize", "init=/usr/lib/raspberrypi-sys-mods/firstboot"}}
	if onWiFi(c, n) {
		line.Set = append(line.Set, "cfg80211.ieee80211_regdom="+c.WiFi.Country)
	}
	return line
}

// onWiFi tells whether the node joins the profile's wireless network: the
// storage nodes do, the others stand in other houses.
func onWiFi(c *profiles.Cluster, n profiles.Node) bool {
	return c.WiFi != nil && n.Role == profiles.Storage
}

// nodeFile is what the node is told.
func nodeFile(c *profiles.Cluster, n profiles.Node, b *Brick) node.File {
	f := node.File{
		Version:  node.Version,
		Cluster:  c.Name,
		Name:     n.Name,
		Role:     string(n.Role),
		TimeZone: c.TimeZone,
		Locale:   c.Locale,
		Nodes:    nodes(c),
		Tunnel:   tunnel(c),
	}
	if b != nil {
		f.Brick = &node.Brick{Label: b.Label, Mount: b.Mount, Dir: b.Dir, Size: c.BrickSize}
	}
	if pool := pool(c, n); pool != nil {
		f.Gluster = &node.Gluster{Members: pool, Volume: c.Volume.Name, Mount: c.Volume.WebRoot}
		f.Web = &node.Web{Port: n.WebPort}
	}
	if n.Role == profiles.Balancer {
		f.Balancer = balancing(c, n)
	}
	f.Ports = routerPorts(c, n)
	if d := n.DDNS; d != nil {
		f.DDNS = &node.DDNS{Protocol: d.Protocol, Server: d.Server, Login: d.Login, Host: d.Host}
	}
	f.GeoRep, f.Secondary = geoRep(c, n), secondary(c, n)
	if c.StatusPage != nil {
		f.StatusPage = &node.StatusPage{Port: c.StatusPage.Port}
	}
	return f
}

// routerPorts are what the router of the node is asked to forward to it.
func routerPorts(c *profiles.Cluster, n profiles.Node) []node.Port {
	var list []node.Port
	for _, word := range n.RouterPorts {
		number := n.Port(word)
		if word == profiles.PortTunnel {
			number = c.Tunnel.Port
		}
		list = append(list, node.Port{For: word, Number: number})
	}
	return list
}

// pool is the trusted pool of a node. A remote node has one of its own: its volume is a
// copy, which geo-replication fills and no storage node shares.
func pool(c *profiles.Cluster, n profiles.Node) []node.Member {
	switch n.Role {
	case profiles.Storage:
		return members(c)
	case profiles.Remote:
		return []node.Member{{Name: n.Name}}
	}
	return nil
}

// nodes are all nodes of the cluster, as each is told of them.
func nodes(c *profiles.Cluster) []node.Node {
	var list []node.Node
	for _, n := range c.Nodes {
		one := node.Node{Name: n.Name, Role: string(n.Role)}
		if !n.Address.DHCP() {
			one.Address = n.Address.CIDR.Addr().String()
		}
		list = append(list, one)
	}
	return list
}

// members are the storage nodes, whose bricks make the volume in this order.
func members(c *profiles.Cluster) []node.Member {
	var list []node.Member
	for _, n := range c.Nodes {
		if n.Role == profiles.Storage {
			list = append(list, node.Member{Name: n.Name})
		}
	}
	return list
}
