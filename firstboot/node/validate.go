package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

var (
	// RFC 1123: a label of a host name.
	labelShape = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// Labels with dots between them: a name in the DNS.
	domainShape = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	// The tz database's own rule for names: letters, digits and -_+ between
	// slashes.
	zoneShape = regexp.MustCompile(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$`)
	// glibc's names in the one codeset that we generate: language and territory.
	localeShape = regexp.MustCompile(`^([a-z]{2,3}_[A-Z]{2}|C)\.UTF-8$`)
	// What fits into ext4's 16 bytes and needs no quoting in fstab.
	brickLabelShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,15}$`)
	// Paths that need no quoting in fstab.
	pathShape = regexp.MustCompile(`^(/[A-Za-z0-9][A-Za-z0-9._-]*)+$`)
	// Debian Policy 5.6.1, 5.6.8 and 5.6.12.
	packageShape = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	archShape    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	versionShape = regexp.MustCompile(`^([0-9]+:)?[0-9][A-Za-z0-9.+~-]*$`)
	// RFC 9562, in lower case as glusterd wants it.
	uuidShape = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	// What gluster takes for the name of a volume, without the dots that none
	// needs.
	volumeShape = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*$`)
	// ddclient's words for protocols, and what it takes for a server: a host name,
	// perhaps with a port and a path.
	protocolShape = regexp.MustCompile(`^[a-z0-9]+$`)
	serverShape   = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$`)
	// What a line of ddclient.conf can hold as a login: # begins a comment, even
	// between quotes, and several blanks become one.
	loginShape = regexp.MustCompile(`^([^\x00-\x20\x7f#=]+( [^\x00-\x20\x7f#=]+)*)?$`)
	// What useradd(8) takes, in lower case.
	accountShape = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,30}$`)
	// sshd(8): the kind and the key, and nothing that could be an option.
	publicShape = regexp.MustCompile(`^(ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/]+={0,2}$`)
	// PEM, in whose frame is nothing but base64.
	privateShape = regexp.MustCompile(`^-----BEGIN OPENSSH PRIVATE KEY-----\n([A-Za-z0-9+/=]+\n)+-----END OPENSSH PRIVATE KEY-----\n$`)
)

// Validate tells whether f can be written and acted on: the first field that
// cannot is the error.
func (f File) Validate() error {
	switch {
	case f.Version != Version:
		return fmt.Errorf("version is %d, want %d", f.Version, Version)
	case !labelShape.MatchString(f.Cluster):
		return fmt.Errorf("cluster %q is not a name of letters, digits and hyphens", f.Cluster)
	case !labelShape.MatchString(f.Name):
		return fmt.Errorf("name %q is not a host name", f.Name)
	case f.Role != Storage && f.Role != Remote && f.Role != Balancer:
		return fmt.Errorf("role %q is none of storage, remote and balancer", f.Role)
	case !zoneShape.MatchString(f.TimeZone):
		return fmt.Errorf("time_zone %q is not a time zone name such as Europe/Berlin", f.TimeZone)
	case !localeShape.MatchString(f.Locale):
		return fmt.Errorf("locale %q is not a UTF-8 locale such as en_GB.UTF-8", f.Locale)
	case !uuidShape.MatchString(f.ID):
		return fmt.Errorf("id %q is not a UUID in lower case", f.ID)
	case f.Role == Balancer && f.Brick != nil:
		return errors.New("a balancer holds no brick")
	case f.Role != Balancer && f.Brick == nil:
		return fmt.Errorf("a %s node needs a brick", f.Role)
	}
	return f.validateParts()
}

// validateParts judges what only some nodes have, and what they know of others.
func (f File) validateParts() error {
	if f.Brick != nil {
		if err := f.Brick.validate(); err != nil {
			return fmt.Errorf("brick: %w", err)
		}
	}
	if f.Packages != nil {
		if err := f.Packages.validate(); err != nil {
			return fmt.Errorf("packages: %w", err)
		}
	}
	if err := f.validateNodes(); err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	if f.Gluster != nil {
		if err := f.validateGluster(*f.Gluster); err != nil {
			return fmt.Errorf("gluster: %w", err)
		}
	}
	if f.Web != nil {
		if err := f.validateWeb(); err != nil {
			return fmt.Errorf("web: %w", err)
		}
	}
	if f.Balancer != nil {
		if err := f.validateBalancer(*f.Balancer); err != nil {
			return fmt.Errorf("balancer: %w", err)
		}
	}
	if err := f.validatePorts(); err != nil {
		return fmt.Errorf("ports: %w", err)
	}
	if f.DDNS != nil {
		if err := f.DDNS.validate(); err != nil {
			return fmt.Errorf("ddns: %w", err)
		}
	}
	if f.Tunnel != nil {
		if err := f.validateTunnel(*f.Tunnel); err != nil {
			return fmt.Errorf("tunnel: %w", err)
		}
	}
	if f.GeoRep != nil {
		if err := f.validateGeoRep(*f.GeoRep); err != nil {
			return fmt.Errorf("georep: %w", err)
		}
	}
	if f.Secondary != nil {
		if err := f.validateSecondary(*f.Secondary); err != nil {
			return fmt.Errorf("secondary: %w", err)
		}
	}
	if f.StatusPage != nil && !validPort(f.StatusPage.Port) {
		return fmt.Errorf("status_page: port %d is not a TCP port", f.StatusPage.Port)
	}
	return nil
}

// validateGeoRep never repeats a private key.
func (f File) validateGeoRep(g GeoRep) error {
	switch {
	case f.Gluster == nil || f.Role != Storage:
		return errors.New("only a storage node with a volume has one")
	case !slices.ContainsFunc(f.Nodes, func(n Node) bool { return n.Name == g.Remote && n.Role == Remote }):
		return fmt.Errorf("remote %q is no remote node of the cluster", g.Remote)
	case g.Host != "" && !validHost(g.Host):
		return fmt.Errorf("host %q is neither a name in the DNS nor an IP address", g.Host)
	case !validPort(g.Port):
		return fmt.Errorf("port %d is not a TCP port", g.Port)
	case !accountShape.MatchString(g.User):
		return fmt.Errorf("user %q is not the name of an account", g.User)
	case !privateShape.MatchString(g.Key) || !privateShape.MatchString(g.TarKey):
		return errors.New("key and tar_key are not both private keys in OpenSSH's format")
	case len(g.HostKeys) == 0:
		return errors.New("host_keys: there is none, and nobody trusts a host that was never seen")
	}
	for _, key := range g.HostKeys {
		if !publicShape.MatchString(key) {
			return fmt.Errorf("host_keys: %q is not a public key", key)
		}
	}
	return nil
}

func (f File) validateSecondary(s Secondary) error {
	switch {
	case f.Gluster == nil || f.Role != Remote:
		return errors.New("only a remote node with a volume is one")
	case !validPort(s.Port):
		return fmt.Errorf("port %d is not a TCP port", s.Port)
	case !accountShape.MatchString(s.User) || s.User == "root":
		return fmt.Errorf("user %q is not the name of an account without privileges", s.User)
	case !accountShape.MatchString(s.Group) || s.Group == "root":
		return fmt.Errorf("group %q is not the name of a group without privileges", s.Group)
	case !pathShape.MatchString(s.Root):
		return fmt.Errorf("root %q is not an absolute path of plain names", s.Root)
	case len(s.Primaries) == 0:
		return errors.New("primaries: there is none")
	}
	seen := map[string]bool{}
	for _, p := range s.Primaries {
		switch {
		case !slices.ContainsFunc(f.Nodes, func(n Node) bool { return n.Name == p.Name && n.Role == Storage }):
			return fmt.Errorf("primaries: %q is no storage node of the cluster", p.Name)
		case !publicShape.MatchString(p.Key) || !publicShape.MatchString(p.TarKey):
			return fmt.Errorf("primaries: the keys of %s are not both public keys", p.Name)
		case seen[p.Name] || seen[p.Key] || seen[p.TarKey] || p.Key == p.TarKey:
			return fmt.Errorf("primaries: the name or a key of %s is listed twice", p.Name)
		}
		seen[p.Name], seen[p.Key], seen[p.TarKey] = true, true, true
	}
	return nil
}

func (f File) validateNodes() error {
	seen := map[string]bool{}
	for _, n := range f.Nodes {
		switch {
		case !labelShape.MatchString(n.Name):
			return fmt.Errorf("name %q is not a host name", n.Name)
		case seen[n.Name]:
			return fmt.Errorf("%s is listed twice", n.Name)
		case n.Role != Storage && n.Role != Remote && n.Role != Balancer:
			return fmt.Errorf("role %q of %s is none of storage, remote and balancer", n.Role, n.Name)
		case n.Name == f.Name && n.Role != f.Role:
			return fmt.Errorf("%s is a %s here, and a %s node elsewhere", n.Name, n.Role, f.Role)
		}
		if _, err := netip.ParseAddr(n.Address); n.Address != "" && err != nil {
			return fmt.Errorf("address %q of %s is not an IP address", n.Address, n.Name)
		}
		seen[n.Name] = true
	}
	if !seen[f.Name] {
		return fmt.Errorf("%s itself is not among them", f.Name)
	}
	return nil
}

func (f File) validateGluster(g Gluster) error {
	switch {
	case f.Brick == nil:
		return errors.New("a node without a brick is in no pool")
	case !volumeShape.MatchString(g.Volume):
		return fmt.Errorf("volume %q is not a name of letters, digits, hyphens and underscores", g.Volume)
	case !pathShape.MatchString(g.Mount):
		return fmt.Errorf("mount %q is not an absolute path of plain names", g.Mount)
	case len(g.Members) != 1 && len(g.Members)%3 != 0:
		return fmt.Errorf("there are %d members, want 1, 3, 6, 9 and so on", len(g.Members))
	}
	names, uuids := map[string]bool{}, map[string]bool{}
	for _, m := range g.Members {
		switch {
		case !slices.ContainsFunc(f.Nodes, func(n Node) bool { return n.Name == m.Name }):
			return fmt.Errorf("members: %q is no node of the cluster", m.Name)
		case !uuidShape.MatchString(m.UUID):
			return fmt.Errorf("members: uuid %q of %s is not a UUID in lower case", m.UUID, m.Name)
		case names[m.Name] || uuids[m.UUID]:
			return fmt.Errorf("members: the name or the uuid of %s is listed twice", m.Name)
		}
		names[m.Name], uuids[m.UUID] = true, true
	}
	if !names[f.Name] {
		return fmt.Errorf("members: %s itself is not among them", f.Name)
	}
	return nil
}

func (f File) validateWeb() error {
	switch {
	case f.Gluster == nil:
		return errors.New("a node without a volume serves none")
	case !validPort(f.Web.Port):
		return fmt.Errorf("port %d is not a TCP port", f.Web.Port)
	}
	return nil
}

func (f File) validateBalancer(b Balancing) error {
	switch {
	case f.Role != Balancer:
		return fmt.Errorf("a %s node is none", f.Role)
	case !validPort(b.Port):
		return fmt.Errorf("port %d is not a TCP port", b.Port)
	case !validHost(b.ServerName):
		return fmt.Errorf("server_name %q is neither a name in the DNS nor an IP address", b.ServerName)
	case !slices.ContainsFunc(b.Members, func(s Server) bool { return !s.Standby }):
		return errors.New("members: none of them serves always")
	}
	for _, alias := range b.Aliases {
		if !validHost(alias) {
			return fmt.Errorf("aliases: %q is neither a name in the DNS nor an IP address", alias)
		}
	}
	if err := f.validateServers(b.Members); err != nil {
		return fmt.Errorf("members: %w", err)
	}
	if b.HTTPS != nil {
		if err := b.HTTPS.validate(b); err != nil {
			return fmt.Errorf("https: %w", err)
		}
	}
	return nil
}

func (f File) validateServers(list []Server) error {
	seen := map[string]bool{}
	for _, s := range list {
		at := net.JoinHostPort(strings.ToLower(s.Host), strconv.Itoa(s.Port))
		switch {
		case !slices.ContainsFunc(f.Nodes, func(n Node) bool { return n.Name == s.Name && n.Role != Balancer }):
			return fmt.Errorf("%q is no node of the cluster that serves files", s.Name)
		case !validHost(s.Host):
			return fmt.Errorf("host %q of %s is neither a name in the DNS nor an IP address", s.Host, s.Name)
		case !validPort(s.Port):
			return fmt.Errorf("port %d of %s is not a TCP port", s.Port, s.Name)
		case seen[s.Name] || seen[at]:
			return fmt.Errorf("the name or the place of %s is listed twice", s.Name)
		}
		seen[s.Name], seen[at] = true, true
	}
	return nil
}

func (f File) validatePorts() error {
	type outer struct {
		udp    bool
		number int
	}
	seen := map[outer]bool{}
	for _, p := range f.Ports {
		port := outer{p.For == TunnelPort, p.Number}
		switch {
		case f.Role == Balancer:
			return errors.New("a balancer's router is not asked")
		case p.For != WebPort && p.For != SSHPort && p.For != TunnelPort:
			return fmt.Errorf("for %q is none of web, ssh and tunnel", p.For)
		case port.udp && (f.Tunnel == nil || f.Tunnel.Hub != f.Name || f.Tunnel.Port != p.Number):
			return fmt.Errorf("%d is not where this node is called for the tunnel", p.Number)
		case !validPort(p.Number):
			return fmt.Errorf("%d is not a port", p.Number)
		case seen[port]:
			return fmt.Errorf("%d is listed twice", p.Number)
		}
		seen[port] = true
	}
	return nil
}

func validPort(port int) bool { return 1 <= port && port <= 65535 }

// validHost tells whether a machine can be asked for by host.
func validHost(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" || domainShape.MatchString(host) && len(host) <= 253
}

// validate never repeats a password, nor a login, for which people take it.
func (d DDNS) validate() error {
	switch {
	case !protocolShape.MatchString(d.Protocol):
		return fmt.Errorf("protocol %q is not a name of letters and digits", d.Protocol)
	case !serverShape.MatchString(d.Server):
		return fmt.Errorf("server %q is not a host name with a path", d.Server)
	case !loginShape.MatchString(d.Login):
		return errors.New("the login has a character that ddclient.conf cannot hold")
	case d.Password == "":
		return errors.New("there is no password")
	case strings.ContainsFunc(d.Password, unicode.IsControl):
		return errors.New("the password has a control character")
	case !domainShape.MatchString(d.Host):
		return fmt.Errorf("host %q is not a domain name", d.Host)
	}
	return nil
}

func (b Brick) validate() error {
	switch {
	case !brickLabelShape.MatchString(b.Label):
		return fmt.Errorf("label %q is not 1 to 16 letters, digits, dots, hyphens and underscores", b.Label)
	case !pathShape.MatchString(b.Mount):
		return fmt.Errorf("mount %q is not an absolute path of plain names", b.Mount)
	case !pathShape.MatchString(b.Dir):
		return fmt.Errorf("dir %q is not an absolute path of plain names", b.Dir)
	case !strings.HasPrefix(b.Dir, b.Mount+"/"):
		return fmt.Errorf("dir %s is not below mount %s", b.Dir, b.Mount)
	case b.Size < 0:
		return fmt.Errorf("size is %d, which is less than nothing", b.Size)
	}
	return nil
}

func (p Packages) validate() error {
	if !pathShape.MatchString(p.Pool) {
		return fmt.Errorf("pool %q is not an absolute path of plain names", p.Pool)
	}
	if len(p.Install) == 0 {
		return errors.New("install names no package")
	}
	wanted := map[string]bool{}
	for _, name := range p.Install {
		if !packageShape.MatchString(name) {
			return fmt.Errorf("install: %q is not the name of a package", name)
		}
		wanted[name] = true
	}
	if err := validateVersions(p.Versions); err != nil {
		return fmt.Errorf("versions: %w", err)
	}
	for _, v := range p.Versions {
		wanted[v.Name] = true
	}
	for _, name := range p.Purge {
		switch {
		case !packageShape.MatchString(name):
			return fmt.Errorf("purge: %q is not the name of a package", name)
		case wanted[name]:
			return fmt.Errorf("purge: %s is also among what is installed", name)
		}
	}
	return nil
}

func validateVersions(list []Package) error {
	type key struct{ name, arch string }
	seen := map[key]bool{}
	for _, v := range list {
		switch {
		case !packageShape.MatchString(v.Name):
			return fmt.Errorf("%q is not the name of a package", v.Name)
		case !archShape.MatchString(v.Arch):
			return fmt.Errorf("arch %q of %s is not an architecture", v.Arch, v.Name)
		case !versionShape.MatchString(v.Version):
			return fmt.Errorf("version %q of %s is not a Debian version", v.Version, v.Name)
		case seen[key{v.Name, v.Arch}]:
			return fmt.Errorf("%s:%s is listed twice", v.Name, v.Arch)
		}
		seen[key{v.Name, v.Arch}] = true
	}
	return nil
}
