// Package node is the contract between the two programs: the builder writes
// one node file into each image, and berry-firstboot on that node reads it.
// Beside it lie this node's certificate and key and the cluster's CA (CertPath,
// KeyPath, CAPath). It is all that a node knows about its cluster.
//
// The file is JSON, owned by root with mode 0600, because it carries this
// node's secrets. Read is strict: an unknown field, a missing one or
// another version is an error, since a builder and a first-boot service that
// disagree must not guess. Encode refuses what Read would refuse, and gives the
// same bytes for the same File.
package node

import (
	"encoding/json"
	"fmt"
)

// Version is the version of the contract. It is raised whenever a field is
// added, removed or changes its meaning.
const Version = 6

// Path is where the node file lies on a node.
const Path = "/etc/berry/node.json"

// Mode is the file mode that the node file has, and must have.
const Mode = 0o600

// Where the node's certificate, its key and the certificate of the cluster's CA
// lie, as PEM. GlusterFS has links to them. Nobody but root reads any of them.
const (
	CertPath = "/etc/berry/tls/node.pem"
	KeyPath  = "/etc/berry/tls/node.key"
	CAPath   = "/etc/berry/tls/ca.pem"
)

// What is in the folder from which berry-firstboot install makes a server a node.
const (
	InstallerFiles    = "files"    // the files, as they lie on the server from its root on
	InstallerPackages = "packages" // the names of the packages, one a line
)

// The roles a node can have, in the words of the profile.
const (
	Storage  = "storage"
	Remote   = "remote"
	Balancer = "balancer"
)

// File is everything one node is told. The builder writes every field; the
// steps named beside each read it.
type File struct {
	Version  int    `json:"version"`
	Cluster  string `json:"cluster"`   // the cluster's name; status
	Name     string `json:"name"`      // this node's host name; identity
	Role     string `json:"role"`      // Storage, Remote or Balancer; decides which steps run
	TimeZone string `json:"time_zone"` // IANA name; identity
	Locale   string `json:"locale"`    // such as en_GB.UTF-8, generated where the base lacks it; identity
	// ID tells the cluster from another of the same name: a UUID. Read by peers.
	ID string `json:"id"`
	// Nodes are all nodes of the cluster in the profile's order, this one among
	// them. Read by peers.
	Nodes []Node `json:"nodes"`
	// Brick is nil on a node that holds no brick (the balancer).
	Brick *Brick `json:"brick,omitempty"`
	// Packages is nil in an image that brings none.
	Packages *Packages `json:"packages,omitempty"`
	// Gluster is nil on a node that is in no trusted pool.
	Gluster *Gluster `json:"gluster,omitempty"`
	// Web is nil on a node that serves no volume.
	Web *Web `json:"web,omitempty"`
	// Balancer is nil on every node but the balancer.
	Balancer *Balancing `json:"balancer,omitempty"`
	// Ports are those that the router of its house is asked to forward to it. Read by
	// the step ports.
	Ports []Port `json:"ports,omitempty"`
	// DDNS is nil on a node whose address nobody has to find by a name.
	DDNS *DDNS `json:"ddns,omitempty"`
	// Tunnel is nil in a cluster whose nodes reach each other without one.
	Tunnel *Tunnel `json:"tunnel,omitempty"`
	// GeoRep is nil on a node whose volume nobody gets a copy of.
	GeoRep *GeoRep `json:"georep,omitempty"`
	// Secondary is nil on a node that gets no copy of a volume.
	Secondary *Secondary `json:"secondary,omitempty"`
	// StatusPage is nil in a cluster whose nodes show none.
	StatusPage *StatusPage `json:"status_page,omitempty"`
}

// Node is a node of the cluster as the others are told of it.
type Node struct {
	Name string `json:"name"`
	Role string `json:"role"`
	// Address is its fixed IP address; "" where it gets one by DHCP.
	Address string `json:"address"`
}

// Gluster is the trusted pool and its one volume. Read by the steps pool, volume
// and mount.
type Gluster struct {
	// Members are the nodes of the pool, this one among them, in the order of
	// their bricks.
	Members []Member `json:"members"`
	Volume  string   `json:"volume"` // its name
	Mount   string   `json:"mount"`  // where it is mounted, such as /mnt/www
}

// Member is one node of the trusted pool.
type Member struct {
	Name string `json:"name"`
	UUID string `json:"uuid"` // of its glusterd
}

// Web is what the web step brings about.
type Web struct {
	Port int `json:"port"` // TCP
}

// What a port is for, in the words of the profile.
const (
	WebPort    = "web"
	SSHPort    = "ssh"
	TunnelPort = "tunnel" // UDP, at the hub; the others are TCP
)

// Port is a port of the node that its router forwards to it, under the same number.
type Port struct {
	For    string `json:"for"` // WebPort, SSHPort or TunnelPort
	Number int    `json:"number"`
}

// Balancing is what the balancer step brings about.
type Balancing struct {
	Port       int      `json:"port"`        // TCP
	ServerName string   `json:"server_name"` // the site's public name, or an IP address
	Aliases    []string `json:"aliases"`     // its other names
	// Members are the nodes that serve the site, in the order of their turns.
	Members []Server `json:"members"`
	// HTTPS is nil where the site is served over plain HTTP alone.
	HTTPS *HTTPS `json:"https,omitempty"`
}

// HTTPS is how the balancer serves the site over TLS. Either ACME or Pair is there.
// Read by the steps balancer and certificate.
type HTTPS struct {
	Port int   `json:"port"` // TCP
	ACME *ACME `json:"acme,omitempty"`
	Pair *Pair `json:"pair,omitempty"`
}

// ACME is the authority that gives the site its certificates (RFC 8555).
type ACME struct {
	Email  string `json:"email"`  // where it reaches the site's owner
	Server string `json:"server"` // URL of its directory
}

// Pair is a certificate that was given, as PEM.
type Pair struct {
	Chain string `json:"chain"`            // the site's own certificate first
	Key   string `json:"key" secret:"yes"` // a secret
}

// Server is a node as the balancer reaches it.
type Server struct {
	Name string `json:"name"`
	Host string `json:"host"` // a name in the DNS, or an IP address
	Port int    `json:"port"` // TCP
	// Standby has it serve only when none of the others does.
	Standby bool `json:"standby"`
}

// DDNS is the account with a provider of dynamic DNS that ddclient keeps up to
// date. Read by the step ddclient.
type DDNS struct {
	Protocol string `json:"protocol"`              // ddclient's name, such as dyndns2
	Server   string `json:"server"`                // host, perhaps with a port and a path, such as dyndns.strato.com/nic/update
	Login    string `json:"login"`                 // "" with a protocol that knows its customer by the password alone
	Password string `json:"password" secret:"yes"` // a secret
	Host     string `json:"host"`                  // the name that is kept pointing at the node
}

// StatusPage is where the node shows the cluster to its LAN. Read by the page's server.
type StatusPage struct {
	Port int `json:"port"` // TCP
}

// GeoRep is the geo-replication of the node's volume to the remote node, which has one
// of the same name. Read by the steps pool, volume and georep.
type GeoRep struct {
	Remote string `json:"remote"` // the remote node's name, under which its host keys are known
	// Host is the name in the DNS, or the IP address, at which its sshd is reached; ""
	// where its name leads there.
	Host string `json:"host"`
	Port int    `json:"port"` // of its sshd, TCP
	User string `json:"user"` // who gsyncd logs in as
	// Key and TarKey are this node's own private keys in OpenSSH's format: the first
	// opens a session, the second brings files. Both are secrets.
	Key    string `json:"key" secret:"yes"`
	TarKey string `json:"tar_key" secret:"yes"`
	// HostKeys are the remote node's, each as in authorized_keys, without a comment.
	HostKeys []string `json:"host_keys"`
}

// Secondary is what the remote node is to those that it holds a copy for. Read by the
// steps volume, mount, web and secondary.
type Secondary struct {
	Port  int    `json:"port"`  // of sshd, TCP
	User  string `json:"user"`  // the account without privileges that they log in as
	Group string `json:"group"` // its group
	Root  string `json:"root"`  // where glusterd mounts the volume for it
	// Primaries are the nodes that may log in.
	Primaries []Primary `json:"primaries"`
}

// Primary is a node that keeps a copy at the remote one, with the public halves of its
// two keys, each as in authorized_keys, without a comment.
type Primary struct {
	Name   string `json:"name"`
	Key    string `json:"key"`
	TarKey string `json:"tar_key"`
}

// Brick is the third partition of the card. Read by the card step.
type Brick struct {
	Label string `json:"label"` // filesystem label that finds the partition
	Mount string `json:"mount"` // where it is mounted, such as /export
	Dir   string `json:"dir"`   // brick directory, below Mount, such as /export/brick
	// Size is the size in bytes that the partition grows to; 0 means to the end
	// of the card. A card that is too small for it gets what there is.
	Size int64 `json:"size"`
}

// Packages is what the packages step brings about, and its only reader.
type Packages struct {
	// Pool is a folder with .deb files and their index, a file named Packages: a
	// flat apt repository. It is gone once everything is installed.
	Pool string `json:"pool"`
	// Install holds the packages that are asked for by name, which apt marks as
	// manual. Whatever else the pool brings comes as a dependency.
	Install []string `json:"install"`
	// Versions lists every package that the pool brings, with the version that
	// must be there in the end. One of Install that the base has already is not
	// among them.
	Versions []Package `json:"versions"`
	// Purge holds the packages that are taken away where the base has them.
	Purge []string `json:"purge"`
}

// Package is one Debian package in one version.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch"` // Debian's, such as arm64, or all
}

// Encode returns the node file's bytes. The same File gives the same bytes.
func Encode(f File) ([]byte, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("node file of %s: %w", f.Name, err)
	}
	if f.Packages != nil {
		p := f.Packages.listed()
		f.Packages = &p
	}
	if f.Balancer != nil {
		b := *f.Balancer
		b.Aliases = append([]string{}, b.Aliases...)
		f.Balancer = &b
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("node file of %s: %w", f.Name, err)
	}
	return append(data, '\n'), nil
}

// listed is p with empty lists for those that are nil: null is no list.
func (p Packages) listed() Packages {
	p.Install = append([]string{}, p.Install...)
	p.Versions = append([]Package{}, p.Versions...)
	p.Purge = append([]string{}, p.Purge...)
	return p
}
