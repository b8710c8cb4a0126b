package profiles

import (
	"net/netip"
)

// Role is what a node is for.
type Role string

// The roles a node can have.
const (
	Storage  Role = "storage"  // a brick of the volume, and Apache serving it
	Remote   Role = "remote"   // geo-replication target in another house, behind dynamic DNS
	Balancer Role = "balancer" // Apache mod_proxy_balancer in front of all the others
)

// Cluster is a validated profile: every default filled in, every secret and
// key file read, every mistake already reported. Load makes it; nothing else
// should.
type Cluster struct {
	Name     string // RFC 1123 label
	Base     Base
	Suite    string // Debian suite of the base: "trixie" or "bookworm"
	TimeZone string // IANA name, such as "Europe/Berlin"
	Locale   string // such as "en_GB.UTF-8"
	Keyboard Keyboard
	User     User
	WiFi     *WiFi // nil: no wireless network
	Volume   Volume
	RootSize int64 // bytes of the root partition
	// BrickSize is the size in bytes that the brick partition grows to on the
	// card; 0 means the rest of the card.
	BrickSize int64
	Apt       Apt
	Tunnel    *Tunnel // nil: none
	// StatusPage is what every node shows to its LAN; nil: nothing.
	StatusPage *StatusPage
	Nodes      []Node
}

// Base names the Raspberry Pi OS image that every node image is made from.
// Exactly one of Name, URL and File is set.
type Base struct {
	Name   string `json:"name,omitempty"`   // name in the official catalogue
	URL    string `json:"url,omitempty"`    // http or https
	File   string `json:"file,omitempty"`   // absolute path; relative ones in the profile start at the profile's folder
	SHA256 string `json:"sha256,omitempty"` // 64 lower-case hex digits of the file as named (compressed or not); "" means not pinned
}

// Keyboard is the console's keyboard, in the words of keyboard(5).
type Keyboard struct {
	Layout  string // such as "gb"
	Model   string // such as "pc105"
	Variant string // may be empty
}

// User is the one person who may log in.
type User struct {
	Name         string
	PasswordHash Secret   // crypt(5) string; empty means the password is locked
	SSHKeys      []string // authorized_keys lines
}

// WiFi is the wireless network that every node on the LAN joins.
type WiFi struct {
	Country string // ISO 3166 alpha-2, upper case
	SSID    string
	PSK     Secret // empty means an open network
}

// Volume is the replicated GlusterFS volume.
type Volume struct {
	Name    string
	Brick   string // directory on the node that holds the brick, such as "/export/brick"
	WebRoot string // where the volume is mounted and served from, such as "/mnt/www"
}

// DDNS is the dynamic DNS account that ddclient keeps up to date.
type DDNS struct {
	Protocol string // ddclient's name, such as "dyndns2"
	Server   string // such as "dyndns.strato.com/nic/update"
	Login    string
	Password Secret
	Host     string // the name that is kept pointing at the node
}

// Node is one machine of the cluster.
type Node struct {
	Name    string // RFC 1123 label, becomes the host name
	Role    Role
	Address Address
	WebPort int
	SSHPort int
	// RouterPorts are those that its router is asked to forward to it: PortWeb, PortSSH, PortTunnel.
	RouterPorts []string
	// DDNS is the account whose name the node keeps pointing at the house it is in; nil:
	// none. The remote node has the cluster's unless it has its own.
	DDNS *DDNS `json:",omitempty"`
	// Host is the name or address under which other sites reach this node. For
	// storage nodes it is their router's, which forwards the web port of each;
	// empty where only the LAN, or the tunnel, reaches them.
	Host string
	// ServerName and ServerAliases are the balancer's public names.
	ServerName    string
	ServerAliases []string
	// RemoteStandby has the balancer send visitors to the remote node only when
	// no storage node answers.
	RemoteStandby bool
	// HTTPS is how the balancer serves the site over TLS; nil: it does not.
	HTTPS *HTTPS `json:",omitempty"`
}

// HTTPS is where the balancer's certificate comes from: either ACME is set, or
// Certificate and Key.
type HTTPS struct {
	Port        int
	ACME        *ACME
	Certificate string // PEM, with those of its authority behind it
	Key         Secret // PEM
}

// ACME is an authority that gives certificates by itself, such as Let's Encrypt.
type ACME struct {
	Email  string
	Server string // URL of its directory
}

// The words for a node's ports.
const (
	PortWeb    = "web"
	PortSSH    = "ssh"
	PortTunnel = "tunnel" // the hub's, which the others call by UDP
)

// Port is the node's TCP port of that word.
func (n Node) Port(word string) int {
	if word == PortSSH {
		return n.SSHPort
	}
	return n.WebPort
}

// Address is how a node gets its IP address: by DHCP when CIDR is invalid
// (the zero value), else fixed.
type Address struct {
	CIDR    netip.Prefix // host address with prefix length, such as 192.168.2.5/24
	Gateway netip.Addr
	DNS     []netip.Addr
}

// DHCP tells whether the address comes from the network.
func (a Address) DHCP() bool { return !a.CIDR.IsValid() }
