package gluster

import (
	"bufio"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"berries/firstboot/node"
)

// Where glusterd keeps who it is and whom it knows. Files there have the mode 0600.
const (
	InfoPath = "/var/lib/glusterd/glusterd.info"
	PeersDir = "/var/lib/glusterd/peers"
	// SecurePath is an empty file. Where it is there, glusterds speak TLS to each
	// other and to clients, and nothing else.
	SecurePath = "/var/lib/glusterd/secure-access"
	SeedMode   = 0o600
)

// File is a file that glusterd wants before its first start, with SeedMode.
type File struct{ Path, Text string }

// Seeds are the files that make glusterd of that version, on the node self, a
// member of its trusted pool, under TLS. Members are all nodes of the pool, self
// among them.
func Seeds(self string, members []node.Member, v Version) ([]File, error) {
	op, err := v.OperatingVersion()
	if err != nil {
		return nil, err
	}
	files := []File{{SecurePath, ""}}
	for _, m := range members {
		if m.Name == self {
			i := Info{UUID: m.UUID, OperatingVersion: op}
			files = append(files, File{InfoPath, i.Text()})
			continue
		}
		p := PeerFile{UUID: m.UUID, State: PeerInCluster, Hostnames: []string{m.Name}}
		files = append(files, File{p.Path(), p.Text()})
	}
	return files, nil
}

// Link is a symbolic link.
type Link struct{ Path, Target string }

// certDirs are where GlusterFS looks for its certificates, which is where the
// OpenSSL that Debian built it with has its files: in trixie the first, in
// bookworm the second (Debian bug #1056193).
var certDirs = []string{"/etc/ssl", "/usr/lib/ssl"}

// CertLinks are the links by which GlusterFS finds a certificate, its key and the
// CA that signed it.
func CertLinks(cert, key, ca string) []Link {
	var list []Link
	for _, dir := range certDirs {
		list = append(list, Link{dir + "/glusterfs.pem", cert}, Link{dir + "/glusterfs.key", key}, Link{dir + "/glusterfs.ca", ca})
	}
	return list
}

// Info is a glusterd.info: this node in its pool. With one, and a file in PeersDir
// for every other node, before its first start, glusterd is a member of the pool
// without having been probed, and one on a card that was flashed anew is the same
// member again. All of them are needed: a node with its UUID but without its peers
// is rejected by them.
type Info struct {
	UUID             string
	OperatingVersion int // see Version.OperatingVersion
}

// Text is the file's content.
func (i Info) Text() string {
	return fmt.Sprintf("UUID=%s\noperating-version=%d\n", i.UUID, i.OperatingVersion)
}

// Validate tells whether glusterd would start with it.
func (i Info) Validate() error {
	if i.OperatingVersion < oldest*10000 {
		return fmt.Errorf("operating-version is %d, want at least %d", i.OperatingVersion, oldest*10000)
	}
	return validUUID(i.UUID)
}

// ParseInfo reads a glusterd.info, which glusterd itself may have written.
func ParseInfo(text string) (Info, error) {
	values, err := parsePairs(text)
	if err != nil {
		return Info{}, err
	}
	i := Info{UUID: values["UUID"]}
	if i.OperatingVersion, err = strconv.Atoi(values["operating-version"]); err != nil {
		return Info{}, fmt.Errorf("operating-version %q is not a number", values["operating-version"])
	}
	return i, i.Validate()
}

// PeerFile is a file in PeersDir: another node that glusterd knows.
type PeerFile struct {
	UUID      string
	State     int      // PeerInCluster for a member
	Hostnames []string // how to reach it
}

// Path is where the file lies.
func (p PeerFile) Path() string { return PeersDir + "/" + p.UUID }

// Text is the file's content.
func (p PeerFile) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "uuid=%s\nstate=%d\n", p.UUID, p.State)
	for i, name := range p.Hostnames {
		fmt.Fprintf(&b, "hostname%d=%s\n", i+1, name)
	}
	return b.String()
}

// Validate tells whether glusterd would read it.
func (p PeerFile) Validate() error {
	if p.State < 0 || len(p.Hostnames) == 0 {
		return fmt.Errorf("peer %s has the state %d and %d host names", p.UUID, p.State, len(p.Hostnames))
	}
	for _, name := range p.Hostnames {
		if name == "" || strings.ContainsAny(name, " \t\r\n=") {
			return fmt.Errorf("peer %s: %q is not a host name", p.UUID, name)
		}
	}
	return validUUID(p.UUID)
}

// ParsePeerFile reads a file of PeersDir, which glusterd itself may have written:
// it then keeps every name and address that it has met the peer under.
func ParsePeerFile(text string) (PeerFile, error) {
	values, err := parsePairs(text)
	if err != nil {
		return PeerFile{}, err
	}
	p := PeerFile{UUID: values["uuid"]}
	if p.State, err = strconv.Atoi(values["state"]); err != nil {
		return PeerFile{}, fmt.Errorf("state %q is not a number", values["state"])
	}
	for i := 1; values["hostname"+strconv.Itoa(i)] != ""; i++ {
		p.Hostnames = append(p.Hostnames, values["hostname"+strconv.Itoa(i)])
	}
	return p, p.Validate()
}

// parsePairs reads lines of name=value, each name once.
func parsePairs(text string) (map[string]string, error) {
	values := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		name, value, found := strings.Cut(lines.Text(), "=")
		if _, twice := values[name]; !found || twice {
			return nil, fmt.Errorf("line %d: %.60q is not a new name=value", n, lines.Text())
		}
		values[name] = value
	}
	return values, lines.Err()
}

var uuidShape = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func validUUID(s string) error {
	if !uuidShape.MatchString(s) || s == "00000000-0000-0000-0000-000000000000" {
		return fmt.Errorf("%q is not a UUID in lower case", s)
	}
	return nil
}
