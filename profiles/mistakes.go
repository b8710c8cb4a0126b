package profiles

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"
)

// problem is what is wrong with a value, not yet where: the words of a
// Mistake. All of them are in this file. A message reads on from the path, as
// in "cluster: is missing"; a hint says what to type next. None repeats a
// value that could be a secret.
type problem struct{ message, hint string }

// exists tells a problem from the zero value, which is none.
func (p problem) exists() bool { return p.message != "" }

// The file as a whole.
var (
	notUTF8          = problem{"this is not UTF-8 text", "save the file as UTF-8, or start again with: berry init ANOTHER.yaml"}
	controlCharacter = problem{"a control character has no place in text", "delete it, or start again with: berry init ANOTHER.yaml"}
	emptyProfile     = problem{"the profile is empty", "write a commented one to start from: berry init ANOTHER.yaml"}
	severalDocuments = problem{"a second YAML document starts here", "keep one profile in one file: split the file at ---"}
	tabIndent        = problem{"a tab indents this line, and YAML takes only spaces", "replace the tab by spaces"}
)

func noMapping(got string) problem {
	return problem{"want keys and values, got " + got, "begin with a line such as cluster: berries, or with: berry init ANOTHER.yaml"}
}

// syntaxHints are the errors of yaml.v3 that a person can meet, in our words.
var syntaxHints = []struct{ says, message, hint string }{
	{"mapping values are not allowed", "there is one key too many in this line, or above it",
		`put quotes around a value that has ": " in it, and indent the keys of one part equally`},
	{"could not find expected ':'", "there is a key without its value in this line", "write KEY: VALUE, with a space behind the colon"},
	{"did not find expected key", "this line does not fit the ones above it", "indent the keys of one part equally"},
	{"expected ',' or", "a bracket that is opened in this line is not closed", "close it with ] or }, and put commas between the values"},
	{"expected '-' indicator", "this line does not fit the list above it", `start each entry of a list with "- ", indented equally`},
	{"unexpected end of stream", "a quote that is opened in this line is not closed", "close it on the same line"},
	{"cannot start any token", "a value in this line starts with a character that YAML keeps for itself", "put quotes around the value"},
	{"unknown escape character", "there is an unknown escape in double quotes in this line", "use single quotes: '...'"},
	{"unknown anchor", "there is an alias (*) in this line, but nowhere its anchor (&)", "put quotes around a value that starts with *"},
}

func syntaxError(err error) problem {
	text := err.Error()
	for _, h := range syntaxHints {
		if strings.Contains(text, h.says) {
			return problem{h.message, h.hint}
		}
	}
	return problem{"this is not YAML", "compare the line with the profile that this writes: berry init ANOTHER.yaml"}
}

// Keys and the types of their values.
var (
	mergeKey     = problem{"merge keys are not supported", "write the keys out"}
	keyNotText   = problem{"a key has to be a word", "put quotes around it, or delete it"}
	noValue      = problem{"has no value", "give it one, or delete it"}
	severalLines = problem{"has to be a single line of text", "write it in one line, without control characters"}
	longList     = problem{fmt.Sprintf("the list has more than %d entries", maxList), "delete some"}
	emptyList    = problem{"the list is empty", "add an entry, or delete the key"}
)

func missing(key, example string) problem {
	return problem{"is missing", "add " + key + ": " + example}
}

func keyTwice(line int) problem {
	return problem{fmt.Sprintf("is given twice, first in line %d", line), "keep one of the two"}
}

func givenTwice(one, other string) problem {
	return problem{"says again what " + one + " says", "keep either " + one + " or " + other}
}

func unknownKey(near string, known []string) problem {
	if near != "" {
		return problem{"unknown key", "did you mean " + near + "?"}
	}
	return problem{"unknown key", "the keys here are " + strings.Join(known, ", ")}
}

func notOneOf(what, value string, known []string) problem {
	p := problem{fmt.Sprintf("unknown %s %q", what, value), "choose from " + strings.Join(known, ", ")}
	if near := nearest(value, known); near != "" {
		p.hint = "did you mean " + near + "?"
	}
	return p
}

func wrongType(want, got string) problem {
	p := problem{message: "want " + want + ", got " + got}
	switch {
	case got == "nothing":
		return noValue
	case want == "text" && (got == "a list" || got == "keys and values"):
		p.hint = "write a single value"
	case want == "text":
		p.hint = "put quotes around it"
	case want == "a list":
		p.hint = `write [A, B], or a line "- A" for each entry`
	case want == "keys and values":
		p.hint = "write KEY: VALUE lines below it, indented by two spaces"
	default:
		p.hint = "write digits alone, without quotes"
	}
	return p
}

// Names.
var (
	badLabel  = problem{"is no host name", "use a to z, 0 to 9 and - (not first or last), at most 63 characters"}
	badHost   = problem{"is neither a name in the DNS nor an address", "write something like berries.example.net"}
	badIP     = problem{"is no IPv4 address of a machine", "write something like 192.168.2.1"}
	badCIDR   = problem{"is no IPv4 address with its prefix length", "write something like 192.168.2.5/24"}
	badDomain = problem{"is no name in the DNS",
		"write at least two parts of a to z, 0 to 9 and -, such as www.example.net"}
)

func upperCaseLabel(lower string) problem {
	return problem{"a host name is written in lower case", "write " + lower}
}

func misleadingLabel(name string) problem {
	return problem{fmt.Sprintf("programs take the name %q for something else", name), "choose a name such as cluster01"}
}

// The base image.
var (
	notACatalogueName = problem{"is no name of the catalogue, no URL and no image file",
		"write a name such as raspios-trixie-arm64-lite, or a path such as ./my.img.xz; see: berry catalogue"}
	badURL       = problem{"is no URL that could be fetched", "write something like https://example.net/raspios.img.xz"}
	urlWithLogin = problem{"a URL with a login in it would end up in logs", "download the image first and write its path"}
	badSHA256    = problem{"a SHA-256 is 64 hex digits", "copy the output of: sha256sum IMAGE"}
)

func notHTTP(scheme string) problem {
	return problem{fmt.Sprintf("cannot fetch %q URLs", scheme), "use http or https, or write the path of a file"}
}

func otherSuite(base, suite string) problem {
	return problem{"is made from " + base + ", but suite is " + suite, "write suite: " + base}
}

// Files that the profile refers to.
var (
	noHome    = problem{"starts with ~, but the home folder is not known", "write the whole path"}
	otherHome = problem{"the home folder of another user is not looked up", "write the whole path"}
)

func noSuchFile(path, hint string) problem {
	return problem{"there is no file " + path, hint}
}

func unreadableFile(path string, cause error) problem {
	return problem{fmt.Sprintf("cannot read %s: %v", path, cause), "see: ls -l " + path}
}

func notAFile(path string, mode fs.FileMode) problem {
	if mode.IsDir() {
		return problem{path + " is a folder", "write the path of a file"}
	}
	return problem{path + " is not a regular file", "write the path of a file"}
}

func emptyFile(path, hint string) problem { return problem{path + " is empty", hint} }

func largeFile(path string) problem {
	return problem{fmt.Sprintf("%s is larger than %d KiB", path, maxKeyFile>>10), "write the path of the right file"}
}

// Secrets.
var (
	notAVariable = problem{"is not the name of an environment variable", "write a name such as BERRY_SECRET, and export BERRY_SECRET with the value"}
	badPassword  = problem{"the password has to be a single line of text", "keep it as the only line there"}
)

func inlineSecret(name string) problem {
	return problem{"a password in the profile is read by everybody who sees the profile",
		fmt.Sprintf("put it into a file of mode 600 and write %s_file: FILE", name)}
}

func variableNotSet(name string) problem {
	return problem{"the environment variable " + name + " is not set", "type: export " + name + "=..."}
}

func readableByOthers(path string, mode fs.FileMode) problem {
	return problem{fmt.Sprintf("%s is open to other users (mode %04o)", path, mode.Perm()), "chmod 600 " + path}
}

// The console.
func noSuchTimeZone(zone string) problem {
	return problem{fmt.Sprintf("unknown time zone %q", zone), "write an area and a city, such as Europe/Berlin; see: timedatectl list-timezones"}
}

func badLocale(locale string) problem {
	p := problem{fmt.Sprintf("unknown form of locale %q", locale), "write something like en_GB.UTF-8"}
	if stem, _, _ := strings.Cut(locale, "."); localeForm.MatchString(stem + ".UTF-8") {
		p.hint = "write " + stem + ".UTF-8"
	}
	return p
}

func noSuchLayout(layout, near string) problem {
	p := problem{fmt.Sprintf("unknown keyboard layout %q", layout), "write a code such as gb, us or de; see: man xkeyboard-config"}
	if near != "" {
		p.hint = "did you mean " + near + "?"
	}
	return p
}

func badKeyboardWord(what, word string) problem {
	return problem{fmt.Sprintf("%q is no keyboard %s", word, what), "delete the key, or see: man xkeyboard-config"}
}

// The user.
var (
	nobodyCanLogIn   = problem{"nobody could log in to the nodes", "give the user ssh_key_files: [id.pub], or a password_hash"}
	plainPassword    = problem{"a plain password has no place in a profile", "write password_hash: with the output of mkpasswd -m yescrypt, or of openssl passwd -6"}
	notAHash         = problem{"this is no password hash of crypt(5)", "write the output of mkpasswd -m yescrypt, or of openssl passwd -6, in single quotes"}
	weakPasswordHash = problem{"this kind of password hash is quickly guessed",
		"write the output of mkpasswd -m yescrypt, or of openssl passwd -6, in single quotes"}
	privateKey  = problem{"this is a private key, which never leaves its owner", "write the public key instead: the line in the .pub file"}
	noPublicKey = problem{"there is no public key here", "make one with: ssh-keygen -t ed25519 -f id"}
)

func badUserName(name string) problem {
	return problem{fmt.Sprintf("%q is no user name", name), "use a to z first, then a to z, 0 to 9, - and _, at most 32 characters"}
}

func systemUser(name string) problem {
	return problem{fmt.Sprintf("%q is a user or group of the system", name), "choose another name, such as pi"}
}

func privateKeyFile(path string) problem {
	return problem{path + " is a private key, which never leaves its owner", "write the path of the public key: " + strings.TrimSuffix(path, ".pub") + ".pub"}
}

func notAPublicKey(line, of int) problem {
	p := problem{"this is no public key of SSH", "copy the whole line of the .pub file"}
	if of > 1 {
		p.message = fmt.Sprintf("line %d is no public key of SSH", line)
	}
	return p
}

func unusableKey(kind string) problem {
	return problem{"sshd does not accept a key of type " + kind, "make another with: ssh-keygen -t ed25519 -f id"}
}

// The wireless network.
var badPSK = problem{"a WPA password has 8 to 63 printable ASCII characters, or 64 hex digits",
	"copy the password from the router, and keep it as the only line there"}

func noSuchCountry(code, near string) problem {
	p := problem{fmt.Sprintf("unknown country %q", code), "write the two letters of ISO 3166, such as DE"}
	if near != "" {
		p.hint = "write " + near
	}
	return p
}

func longSSID(bytes int) problem {
	return problem{fmt.Sprintf("has %d bytes, and the name of a network at most 32", bytes), "copy the name from the router"}
}

// The volume.
var strangePath = problem{"has characters that would need quoting", "use A to Z, a to z, 0 to 9, . _ and - in paths"}

func badVolumeName(name string) problem {
	return problem{fmt.Sprintf("%q is no name of a volume", name), "use letters, digits, _ and - (not first), at most 64 characters, and not all"}
}

func relativePath(dir string) problem {
	return problem{fmt.Sprintf("%q does not start at the root", dir), "write /" + strings.TrimLeft(dir, "./")}
}

func uncleanPath(clean string) problem { return problem{"is not the shortest form", "write " + clean} }

func shallowBrick(dir string) problem {
	return problem{"the brick's partition is mounted one folder above it, which would be /", "write " + dir + "/brick"}
}

func systemDir(dir, system string) problem {
	return problem{fmt.Sprintf("%s belongs to the operating system (%s)", dir, system), "choose a folder below /export, /mnt or /srv"}
}

func brickAndWebRoot(webRoot, mount string) problem {
	return problem{fmt.Sprintf("%s and the brick's partition at %s are inside one another", webRoot, mount), "write web_root: /mnt/www and brick: /export/brick"}
}

// Sizes.
var (
	badSize        = problem{"is no size", "write a whole number and its unit, such as 4GiB"}
	negativeSize   = problem{"a size is not negative", "write a whole number and its unit, such as 4GiB"}
	zeroSize       = problem{"a size of zero holds nothing", "write a whole number and its unit, such as 4GiB"}
	fractionalSize = problem{"a size is a whole number", "use a smaller unit: 4608MiB for 4.5GiB"}
	hugeSize       = problem{"is more than any card has", "write a whole number and its unit, such as 4GiB"}
	smallRoot      = problem{"the root partition needs at least 2GiB", "write root_size: 4GiB"}
	largeRoot      = problem{"the root partition may have at most 1TiB", "write root_size: 4GiB; the rest of the card is the brick's"}
	smallBrick     = problem{"the brick needs at least 256MiB", "write brick_size: rest"}
	largeCard      = problem{"root and brick together are more than the 2TiB of an MBR", "write brick_size: rest"}
)

func sizeWithoutUnit(digits string) problem {
	return problem{"the unit is missing", "write " + digits + "GiB, or another of KiB, MiB, GiB, TiB, KB, MB, GB, TB"}
}

func unknownUnit(unit, near string) problem {
	p := problem{fmt.Sprintf("unknown unit %q", unit), "choose from KiB, MiB, GiB, TiB, KB, MB, GB, TB"}
	if near != "" {
		p.hint = "did you mean " + near + "?"
	}
	return p
}

// Packages.
var proxyWithPath = problem{"a proxy is a host and a port, without a path", "write something like http://proxy:3142"}

// Dynamic DNS.
var (
	badServer         = problem{"is no host name with a path", "write something like dyndns.strato.com/nic/update"}
	badLogin          = problem{"ddclient cannot read a login with # or =, or with two blanks in a row", "write the login as the provider gave it, or ask for another"}
	ddnsWithoutRemote = problem{"no node is remote, and only that one keeps this name", "move it below the node that is to keep it, give a node role: remote, or delete it"}
)

func serverWithScheme(rest string) problem {
	return problem{"ddclient adds https:// by itself", "write " + rest}
}

func remoteWithoutDDNS(node string) problem {
	return problem{"is missing: it keeps the name of the remote node " + node, "add ddns with server, login, password_file and host; or list nodes without a remote one"}
}

func sameDDNS(host, other string) problem {
	return problem{other + " keeps the name " + host + " already", "delete the ddns of one of the two, or give each a name of its own"}
}

func otherHouse(host, other string) problem {
	return problem{fmt.Sprintf("%s is the host of %s, and this node would have it lead to its own house", host, other),
		"move ddns to that node, or give this one a name of its own"}
}

func nameOfNoUse(host, called string) problem {
	return problem{fmt.Sprintf("it keeps the name %s, and the balancer is only known as %s", host, called), "delete the key host, or ddns"}
}

// The tunnel.
var (
	noHub          = problem{"no node could be its hub, which the others call by a public name", "delete the key, or give a node role: remote or role: balancer"}
	tunnelKeyAlone = problem{"there is no tunnel", "delete the key"}
	badNetwork     = problem{"is no IPv4 network with its prefix length", "write something like " + defaultTunnel}
	publicNetwork  = problem{"is no private network", "choose one in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, such as " + defaultTunnel}
)

func addressForNetwork(network netip.Prefix) problem {
	return problem{"is an address in the network " + network.String(), "write " + network.String()}
}

func smallTunnel(room, nodes int) problem {
	return problem{fmt.Sprintf("has room for %d nodes, and there are %d", room, nodes), "write something like " + defaultTunnel}
}

func overlappingTunnel(network, other netip.Prefix, node string) problem {
	return problem{fmt.Sprintf("%s overlaps %s, which %s is in", network, other, node),
		"choose a private network that no node is in, such as 172.29.83.0/24"}
}

func hubInTunnel(host netip.Addr, node string) problem {
	return problem{fmt.Sprintf("%s, where %s is called, is in it", host, node), "choose a private network that no node is in, such as 172.29.83.0/24"}
}

// The status page.
func portOfNode(port int, key, node string) problem {
	return problem{fmt.Sprintf("its port, %d, is the %s of %s as well", port, key, node), "write something like status_page: {port: 24019}"}
}

func badPageWord(word string) problem {
	return problem{fmt.Sprintf("unknown status page %q", word), fmt.Sprintf("write off, or {port: %d}", pagePort)}
}

// Nodes.
var (
	badPort              = problem{"a port is a number from 1 to 65535", "delete the key to get the usual port"}
	hostOfStorage        = problem{"only a balancer calls storage nodes by the name of their router, and there is none", "delete the key"}
	serverNameElsewhere  = problem{"only the balancer has public names", "move the key to the node with role: balancer"}
	httpsElsewhere       = problem{"only the balancer speaks HTTPS", "move the key to the node with role: balancer"}
	remoteElsewhere      = problem{"only the balancer sends visitors to the remote node", "move the key to the node with role: balancer"}
	balancerBehindRouter = problem{"the router of a balancer is not asked", "delete the key; where it is behind one, forward its ports there by hand"}
	noRemoteToBalance    = problem{"no node is remote", "delete the key, or give a node role: remote"}
)

func tunnelPortElsewhere(hub string, apart bool) problem {
	if apart || hub == "" {
		return problem{"there is no tunnel", "delete the word"}
	}
	return problem{"only " + hub + " is called at the tunnel's port", "delete the word"}
}

func unreachable(balancer string, port int) problem {
	return problem{"is missing: " + balancer + " has no way to this node",
		fmt.Sprintf("delete tunnel: none; or add host: home.example.net, the name of its router, which forwards port %d to it; or give it a fixed address when both are in one network", port)}
}

func portOfGluster(port int) problem {
	return problem{fmt.Sprintf("port %d is one of GlusterFS's own", port), "delete the key to get the usual port"}
}

func portOfPeers(port int) problem {
	return problem{fmt.Sprintf("port %d is where the nodes speak to each other", port), "delete the key to get the usual port"}
}

func portOfSSH(key string, port int) problem {
	return problem{fmt.Sprintf("port %d is the node's ssh_port as well", port), "give " + key + " and ssh_port different numbers"}
}

func sameName(name, other string) problem {
	return problem{fmt.Sprintf("%q is already the name of %s", name, other), "give each node a name of its own"}
}

func sameHost(host, other string) problem {
	return problem{host + " is already the host of " + other, "give each node a host of its own"}
}

func samePort(port, other string) problem {
	return problem{fmt.Sprintf("%s is already the port of %s behind the same router", port, other),
		"give each storage node a web_port of its own"}
}

func sameRouterPort(port int, other string) problem {
	return problem{fmt.Sprintf("the router can forward port %d to one node only, and does to %s", port, other),
		"give each storage node an ssh_port of its own"}
}

func entryTwice(word string) problem {
	return problem{word + " is listed twice", "delete one of the two"}
}

func secondOfRole(role Role, other string) problem {
	return problem{fmt.Sprintf("%s is the %s already, and a cluster has at most one", other, role), "choose another role, or delete the node"}
}

func storageCount(n int) problem {
	return problem{fmt.Sprintf("there are %d storage nodes, and the volume is made of groups of three", n), "list 3, 6, 9, ... nodes with role: storage"}
}

// HTTPS.
var (
	noCertificate  = problem{"has no certificate", "add acme: {email: me@example.net}, or certificate_file and key_file"}
	badEmail       = problem{"is no address of mail", "write something like me@example.net"}
	badDirectory   = problem{"is no URL of an ACME directory", "write something like " + letsEncrypt + ", or delete the key"}
	authorityFirst = problem{"the first certificate is that of an authority", "put the site's own certificate before it"}
	notAKey        = problem{"this is no private key in PEM", "write the path of the key that belongs to certificate_file"}
	lockedKey      = problem{"the key has a passphrase, and nobody is there to type it when the balancer starts",
		"take it off with: openssl pkey -in KEY -out key.pem; and chmod 600 key.pem"}
	otherKey = problem{"this key does not belong to the certificate in certificate_file", "write the path of the one that its request was made with"}
)

func portOfHTTP(port int) problem {
	return problem{fmt.Sprintf("port %d is the node's web_port as well", port), "delete the key to get the usual port"}
}

func acmeForAddress(name string) problem {
	return problem{"an authority gives certificates for names, and this site's is " + name, "add server_name: www.example.net to the node"}
}

func acmeElsewhere(port int) problem {
	return problem{fmt.Sprintf("the authority of https.acme looks for the site at port 80, not at %d", port), "delete the key, or give certificate_file and key_file instead of acme"}
}

func keyInTheOpen(path string) problem {
	return problem{path + " has a private key in it", "keep certificates alone there, and the key in key_file"}
}

func notACertificate(path string, number int) problem {
	return problem{fmt.Sprintf("part %d of %s is no certificate in PEM", number, path), "write the path of a file with -----BEGIN CERTIFICATE----- in it"}
}

func brokenChain(number int) problem {
	return problem{fmt.Sprintf("certificate %d is not signed with certificate %d", number, number+1), "put the site's own first, and behind each the one of its authority"}
}

func certificateEnded(name string, at time.Time) problem {
	return problem{fmt.Sprintf("the certificate of %q ended on %s", name, at.UTC().Format(time.DateOnly)), "have it renewed, and write the path of the new one"}
}

func certificateBegins(name string, at time.Time) problem {
	return problem{fmt.Sprintf("the certificate of %q is not valid before %s", name, at.UTC().Format(time.DateOnly)), "see whether this machine's clock is right: date"}
}

func weakCertificate(name string) problem {
	return problem{fmt.Sprintf("the certificate of %q has a key or a signature that is too weak for Apache", name), "have one made with an RSA key of 2048 bits or more, or an EC key, and SHA-256"}
}

func otherNames(name string, has []string) problem {
	p := problem{"the certificate is not for " + name, "have one made for all of server_name and server_aliases"}
	if len(has) > 0 {
		p.message += ", only for " + strings.Join(has, ", ")
	}
	return p
}

// Addresses.
func badAddressWord(word string) problem {
	if strings.EqualFold(word, "dhcp") {
		return problem{fmt.Sprintf("unknown address %q", word), "write dhcp"}
	}
	return problem{fmt.Sprintf("unknown address %q", word), "write dhcp, or {cidr: 192.168.2.5/24, gateway: 192.168.2.1}"}
}

func addressWithoutLength(addr netip.Addr) problem {
	return problem{"the prefix length is missing", fmt.Sprintf("write %s/24 when the netmask is 255.255.255.0", addr)}
}

func notForHosts(addr netip.Addr) problem {
	return problem{addr.String() + " is not for machines", "write something like 192.168.2.5/24"}
}

func smallNetwork(network netip.Prefix) problem {
	return problem{fmt.Sprintf("a network of /%d has no room for a router", network.Bits()), fmt.Sprintf("write %s/24 when the netmask is 255.255.255.0", network.Addr())}
}

func networkAddress(addr netip.Addr, network netip.Prefix) problem {
	return problem{fmt.Sprintf("%s is the network %s itself", addr, network), "write " + addr.Next().String() + " or a later address"}
}

func broadcastAddress(addr netip.Addr, network netip.Prefix) problem {
	return problem{fmt.Sprintf("%s is the broadcast address of %s", addr, network), "write " + addr.Prev().String() + " or an earlier address"}
}

func gatewayOutside(gateway netip.Addr, network netip.Prefix) problem {
	return problem{fmt.Sprintf("%s is outside the node's network %s", gateway, network), "write the router's address in that network"}
}

func gatewayIsNode(gateway netip.Addr) problem {
	return problem{gateway.String() + " is the node's own address", "write the router's address"}
}

func otherNetwork(network, first netip.Prefix, other string) problem {
	return problem{fmt.Sprintf("is in %s, but %s is in %s", network, other, first), "put all storage nodes into one network: they find each other by multicast"}
}

func sameAddress(addr netip.Addr, other string) problem {
	return problem{fmt.Sprintf("%s is already the address of %s", addr, other), "give each storage node an address of its own"}
}
