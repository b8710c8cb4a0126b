package node

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func storage() File {
	return File{
		Version: Version, Cluster: "berries", Name: "cluster01", Role: Storage,
		TimeZone: "Europe/Berlin", Locale: "en_GB.UTF-8", ID: "5a4ab4b6-1f7c-4d0c-9c0e-0d3f7f6f4c11",
		Nodes: []Node{
			{Name: "cluster01", Role: Storage, Address: "192.168.2.5"},
			{Name: "cluster02", Role: Storage},
			{Name: "cluster03", Role: Storage},
		},
		Gluster: &Gluster{
			Members: []Member{
				{Name: "cluster01", UUID: "11111111-1111-4111-8111-111111111111"},
				{Name: "cluster02", UUID: "22222222-2222-4222-8222-222222222222"},
				{Name: "cluster03", UUID: "33333333-3333-4333-8333-333333333333"},
			},
			Volume: "volpi", Mount: "/mnt/www",
		},
		Web:   &Web{Port: 8081},
		Brick: &Brick{Label: "berry-brick", Mount: "/export", Dir: "/export/brick", Size: 32 << 30},
		Packages: &Packages{
			Pool: "/var/lib/berry/pool", Install: []string{"apache2"}, Purge: []string{"x11-common"},
			Versions: []Package{{Name: "apache2", Version: "2.4.62-1~deb12u2", Arch: "arm64"}},
		},
		StatusPage: &StatusPage{Port: 24018},
	}
}

const storageText = `{
  "version": 6,
  "cluster": "berries",
  "name": "cluster01",
  "role": "storage",
  "time_zone": "Europe/Berlin",
  "locale": "en_GB.UTF-8",
  "id": "5a4ab4b6-1f7c-4d0c-9c0e-0d3f7f6f4c11",
  "nodes": [
    {
      "name": "cluster01",
      "role": "storage",
      "address": "192.168.2.5"
    },
    {
      "name": "cluster02",
      "role": "storage",
      "address": ""
    },
    {
      "name": "cluster03",
      "role": "storage",
      "address": ""
    }
  ],
  "brick": {
    "label": "berry-brick",
    "mount": "/export",
    "dir": "/export/brick",
    "size": 34359738368
  },
  "packages": {
    "pool": "/var/lib/berry/pool",
    "install": [
      "apache2"
    ],
    "versions": [
      {
        "name": "apache2",
        "version": "2.4.62-1~deb12u2",
        "arch": "arm64"
      }
    ],
    "purge": [
      "x11-common"
    ]
  },
  "gluster": {
    "members": [
      {
        "name": "cluster01",
        "uuid": "11111111-1111-4111-8111-111111111111"
      },
      {
        "name": "cluster02",
        "uuid": "22222222-2222-4222-8222-222222222222"
      },
      {
        "name": "cluster03",
        "uuid": "33333333-3333-4333-8333-333333333333"
      }
    ],
    "volume": "volpi",
    "mount": "/mnt/www"
  },
  "web": {
    "port": 8081
  },
  "status_page": {
    "port": 24018
  }
}
`

const balancerText = `{"version": 6, "cluster": "berries", "name": "lb", "role": "balancer", "time_zone": "Etc/UTC", "locale": "C.UTF-8",
  "id": "5a4ab4b6-1f7c-4d0c-9c0e-0d3f7f6f4c11", "nodes": [{"name": "lb", "role": "balancer", "address": ""}, {"name": "cluster01", "role": "storage", "address": ""}, {"name": "cluster04", "role": "remote", "address": ""}],
  "balancer": {"port": 80, "server_name": "host.example.net", "aliases": ["www.Host.example.net"], "members": [
    {"name": "cluster01", "host": "192.168.2.5", "port": 8081, "standby": false},
    {"name": "cluster04", "host": "far.example.net", "port": 8480, "standby": true}]}}`

func balancer() File {
	return File{
		Version: Version, Cluster: "berries", Name: "lb", Role: Balancer, TimeZone: "Etc/UTC", Locale: "C.UTF-8", ID: storage().ID,
		Nodes: []Node{{Name: "lb", Role: Balancer}, {Name: "cluster01", Role: Storage}, {Name: "cluster04", Role: Remote}},
		Balancer: &Balancing{
			Port: 80, ServerName: "host.example.net", Aliases: []string{"www.Host.example.net"},
			Members: []Server{
				{Name: "cluster01", Host: "192.168.2.5", Port: 8081},
				{Name: "cluster04", Host: "far.example.net", Port: 8480, Standby: true},
			},
		},
	}
}

// remote is a node that has a name of dynamic DNS.
func remote() File {
	return File{
		Version: Version, Cluster: "berries", Name: "cluster04", Role: Remote, TimeZone: "Etc/UTC", Locale: "C.UTF-8", ID: storage().ID,
		Nodes: []Node{{Name: "cluster04", Role: Remote}},
		Brick: &Brick{Label: "berry-brick", Mount: "/export", Dir: "/export/brick"},
		Ports: []Port{{WebPort, 8480}, {SSHPort, 22}},
		DDNS: &DDNS{Protocol: "dyndns2", Server: "dyndns.strato.com/nic/update", Login: "mydns.example", Password: `it's "secret" #1`,
			Host: "berries.example.net"},
	}
}

const remoteText = `{"version": 6, "cluster": "berries", "name": "cluster04", "role": "remote", "time_zone": "Etc/UTC", "locale": "C.UTF-8",
  "id": "5a4ab4b6-1f7c-4d0c-9c0e-0d3f7f6f4c11", "nodes": [{"name": "cluster04", "role": "remote", "address": ""}],
  "brick": {"label": "berry-brick", "mount": "/export", "dir": "/export/brick", "size": 0},
  "ports": [{"for": "web", "number": 8480}, {"for": "ssh", "number": 22}],
  "ddns": {"protocol": "dyndns2", "server": "dyndns.strato.com/nic/update", "login": "mydns.example", "password": "it's \"secret\" #1",
    "host": "berries.example.net"}}`

func TestEncodeGivesTheDocumentedText(t *testing.T) {
	got, err := Encode(storage())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(storageText, string(got)); diff != "" {
		t.Errorf("node file (-want +got):\n%s", diff)
	}
}

func TestReadGivesWhatWasEncoded(t *testing.T) {
	for text, want := range map[string]File{storageText: storage(), balancerText: balancer(), remoteText: remote()} {
		got, err := Read(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestEmptyListsAreNotNull(t *testing.T) {
	f := storage()
	f.Packages.Versions, f.Packages.Purge = nil, nil
	text, err := Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	want := &Packages{Pool: "/var/lib/berry/pool", Install: []string{"apache2"}, Versions: []Package{}, Purge: []string{}}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if f.Packages.Purge != nil {
		t.Error("Encode changed what it was given")
	}
	b := balancer()
	b.Balancer.Aliases = nil
	if text, err = Encode(b); err != nil || !strings.Contains(string(text), `"aliases": []`) || b.Balancer.Aliases != nil {
		t.Errorf("%s, %v", text, err)
	}
}

func TestReadRefuses(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(storageText, old) {
			t.Fatalf("nothing to replace: %s", old)
		}
		return strings.Replace(storageText, old, new, 1)
	}
	tests := []struct{ name, text, want string }{
		{"nothing", "", "it is not a JSON object"},
		{"a list", "[]", "it is not a JSON object"},
		{"half a file", storageText[:100], "it breaks off before its end"},
		{"text that is not JSON", edit(`"berries",`, `"berries";`), "it is not JSON: invalid character ';' after object key:value pair"},
		{"text after the object", storageText + "{}", "there is more text after the object"},
		{"an unknown field", edit(`"cluster"`, `"colour": "red", "cluster"`), `unknown field "colour"`},
		{"a field in another case", edit(`"cluster"`, `"Cluster"`), `unknown field "Cluster"`},
		{"a missing field", edit(`"name": "cluster01",`, ``), `the field "name" is missing`},
		{"a field given twice", edit(`"cluster"`, `"cluster": "x", "cluster"`), `the field "cluster" is given twice`},
		{"null", edit(`"berries"`, `null`), `the field "cluster" is null`},
		{"a number for a name", edit(`"berries"`, `7`), `the field "cluster" is a number, want string`},
		{"a later version", edit(`"version": 6`, `"version": 7`), "its version is 7, want 6; build the image and berry-firstboot with the same berry"},
		{"a later version with a new field", edit(`6,`, `7, "wings": 4,`), "its version is 7, want 6; build the image and berry-firstboot with the same berry"},
		{"no version", edit(`"version": 6,`, ``), `the field "version" is missing`},
		{"a version in words", edit(`"version": 6`, `"version": "one"`), `the field "version" is not a whole number`},
		{"an unknown field of the brick", edit(`"label"`, `"colour": "red", "label"`), `brick: unknown field "colour"`},
		{"a missing field of the brick", edit(",\n    \"size\": 34359738368", ""), `brick: the field "size" is missing`},
		{"null in the brick", edit(`34359738368`, `null`), `brick: the field "size" is null`},
		{"a size in words", edit(`34359738368`, `"32G"`), `the field "brick.size" is a string, want int64`},
		{"an unknown field of the packages", edit(`"pool"`, `"sea": "red", "pool"`), `packages: unknown field "sea"`},
		{"a missing field of the packages", edit(`"pool": "/var/lib/berry/pool",`, ``), `packages: the field "pool" is missing`},
		{"null for a list of packages", edit("[\n      \"x11-common\"\n    ]", `null`), `packages: the field "purge" is null`},
		{"an unknown field of a version", edit(`"arch"`, `"colour": "red", "arch"`), `packages: entry 1 of versions: unknown field "colour"`},
		{"a missing field of a version", edit(",\n        \"arch\": \"arm64\"", ``), `packages: entry 1 of versions: the field "arch" is missing`},
		{"an unknown field of a node", edit(`"role": "storage",
      "address": "192`, `"colour": "red", "role": "storage",
      "address": "192`), `entry 1 of nodes: unknown field "colour"`},
		{"a missing field of a node", edit(`      "role": "storage",
      "address": "192.168.2.5"`, `      "role": "storage"`), `entry 1 of nodes: the field "address" is missing`},
		{"an unknown field of a member", edit(`"uuid"`, `"colour": "red", "uuid"`), `gluster: entry 1 of members: unknown field "colour"`},
		{"a missing field of the pool", edit(`    "volume": "volpi",
`, ``), `gluster: the field "volume" is missing`},
		{"a port in words", edit(`8081`, `"http"`), `the field "web.port" is a string, want int`},
		{"a member of the balancer that says nothing of standby", strings.Replace(balancerText, `, "standby": true`, ``, 1),
			`balancer: entry 2 of members: the field "standby" is missing`},
		{"null for the aliases", strings.Replace(balancerText, `["www.Host.example.net"]`, `null`, 1), `balancer: the field "aliases" is null`},
		{"an unknown field of the dynamic DNS", strings.Replace(remoteText, `"login"`, `"colour": "red", "login"`, 1), `ddns: unknown field "colour"`},
		{"a missing field of the dynamic DNS", strings.Replace(remoteText, `"login": "mydns.example", `, ``, 1), `ddns: the field "login" is missing`},
		{"a port without a number", strings.Replace(remoteText, `, "number": 22`, ``, 1), `entry 2 of ports: the field "number" is missing`},
		{"null in the versions", edit(`"versions": [`, `"versions": [null,`), `packages: entry 1 of versions: it is not a JSON object`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(tt.text))
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if diff := cmp.Diff(File{}, got); diff != "" {
				t.Errorf("the file is not empty beside the error:\n%s", diff)
			}
		})
	}
}

func TestReadRefusesAVeryLongFile(t *testing.T) {
	_, err := Read(strings.NewReader(storageText + strings.Repeat(" ", maxSize)))
	if want := "it is longer than 1048576 bytes"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestEncodeRefusesWhatIsNotValid(t *testing.T) {
	tests := []struct {
		name string
		edit func(*File)
		want string
	}{
		{"the zero version", func(f *File) { f.Version = 0 }, "version is 0, want 6"},
		{"a cluster with a space", func(f *File) { f.Cluster = "my berries" }, `cluster "my berries" is not`},
		{"a name with a dot", func(f *File) { f.Name = "cluster01.lan" }, `name "cluster01.lan" is not a host name`},
		{"a name of 64 letters", func(f *File) { f.Name = strings.Repeat("a", 64) }, `is not a host name`},
		{"an unknown role", func(f *File) { f.Role = "captain" }, `role "captain" is none of`},
		{"a zone outside the zone folder", func(f *File) { f.TimeZone = "../../etc/shadow" }, `time_zone "../../etc/shadow" is not`},
		{"a zone with an absolute path", func(f *File) { f.TimeZone = "/etc/shadow" }, `time_zone "/etc/shadow" is not`},
		{"a locale that is not UTF-8", func(f *File) { f.Locale = "de_DE" }, `locale "de_DE" is not`},
		{"a locale with a newline", func(f *File) { f.Locale = "de_DE.UTF-8\nX=Y" }, `is not a UTF-8 locale`},
		{"an id that is no UUID", func(f *File) { f.ID = "7" }, `id "7" is not a UUID`},
		{"an id in capitals", func(f *File) { f.ID = strings.ToUpper(f.ID) }, `is not a UUID in lower case`},
		{"a cluster without this node", func(f *File) { f.Nodes = f.Nodes[1:] }, "nodes: cluster01 itself is not among them"},
		{"a node twice", func(f *File) { f.Nodes[1].Name = "cluster01" }, "nodes: cluster01 is listed twice"},
		{"a node with a dot", func(f *File) { f.Nodes[1].Name = "a.b" }, `nodes: name "a.b" is not a host name`},
		{"a node of an unknown role", func(f *File) { f.Nodes[1].Role = "captain" }, `nodes: role "captain" of cluster02 is none of`},
		{"another role for this node", func(f *File) { f.Nodes[0].Role = Remote }, "nodes: cluster01 is a remote here, and a storage node elsewhere"},
		{"an address with a prefix", func(f *File) { f.Nodes[0].Address = "192.168.2.5/24" }, `nodes: address "192.168.2.5/24" of cluster01 is not an IP address`},
		{"a volume that is an option", func(f *File) { f.Gluster.Volume = "--force" }, `gluster: volume "--force" is not`},
		{"a relative mount point", func(f *File) { f.Gluster.Mount = "www" }, `gluster: mount "www" is not`},
		{"two members", func(f *File) { f.Gluster.Members = f.Gluster.Members[:2] }, "gluster: there are 2 members, want 1, 3, 6"},
		{"no member", func(f *File) { f.Gluster.Members = nil }, "gluster: members: cluster01 itself is not among them"},
		{"a member that is no node", func(f *File) { f.Gluster.Members[2].Name = "x" }, `gluster: members: "x" is no node of the cluster`},
		{"a member without a UUID", func(f *File) { f.Gluster.Members[2].UUID = "" }, `gluster: members: uuid "" of cluster03 is not a UUID`},
		{"two members with one UUID", func(f *File) { f.Gluster.Members[2].UUID = f.Gluster.Members[1].UUID },
			"gluster: members: the name or the uuid of cluster03 is listed twice"},
		{"a pool without the node", func(f *File) { f.Gluster.Members = f.Gluster.Members[1:2] }, "gluster: members: cluster01 itself is not among them"},
		{"a web server without a volume", func(f *File) { f.Gluster = nil }, "web: a node without a volume serves none"},
		{"a port beyond all ports", func(f *File) { f.Web.Port = 65536 }, "web: port 65536 is not a TCP port"},
		{"a status page at no port", func(f *File) { f.StatusPage.Port = 0 }, "status_page: port 0 is not a TCP port"},
		{"a protocol with a line end", func(f *File) { f.DDNS.Protocol = "dyndns2\nuse=cmd" }, `ddns: protocol "dyndns2\nuse=cmd" is not`},
		{"a server with a scheme", func(f *File) { f.DDNS.Server = "https://a.example" }, `ddns: server "https://a.example" is not`},
		{"a server with a blank", func(f *File) { f.DDNS.Server = "a.example use=cmd" }, `ddns: server "a.example use=cmd" is not`},
		{"a login that begins a comment", func(f *File) { f.DDNS.Login = "me#1" }, "ddns: the login has a character that ddclient.conf cannot hold"},
		{"a login with a line end", func(f *File) { f.DDNS.Login = "me\nx" }, "ddns: the login has a character that ddclient.conf cannot hold"},
		{"a login with two blanks", func(f *File) { f.DDNS.Login = "a  b" }, "ddns: the login has a character that ddclient.conf cannot hold"},
		{"no password", func(f *File) { f.DDNS.Password = "" }, "ddns: there is no password"},
		{"a password of two lines", func(f *File) { f.DDNS.Password = "a\nb" }, "ddns: the password has a control character"},
		{"an address for a name", func(f *File) { f.DDNS.Host = "berries" }, `ddns: host "berries" is not a domain name`},
		{"a balancer with a brick", func(f *File) { f.Role = Balancer }, "a balancer holds no brick"},
		{"a remote without a brick", func(f *File) { f.Role, f.Brick = Remote, nil }, "a remote node needs a brick"},
		{"a label longer than ext4 has room for", func(f *File) { f.Brick.Label = strings.Repeat("b", 17) }, "brick: label"},
		{"the root as mount point", func(f *File) { f.Brick.Mount = "/" }, `brick: mount "/" is not`},
		{"a mount point with dots", func(f *File) { f.Brick.Mount = "/export/.." }, `brick: mount "/export/.." is not`},
		{"a brick beside its mount", func(f *File) { f.Brick.Dir = "/exports/brick" }, "brick: dir /exports/brick is not below mount /export"},
		{"the mount itself as brick", func(f *File) { f.Brick.Dir = "/export" }, "brick: dir /export is not below mount /export"},
		{"a negative size", func(f *File) { f.Brick.Size = -1 }, "brick: size is -1, which is less than nothing"},
		{"a relative pool", func(f *File) { f.Packages.Pool = "pool" }, `packages: pool "pool" is not`},
		{"nothing to install", func(f *File) { f.Packages.Install = nil }, "packages: install names no package"},
		{"a port for nothing", func(f *File) { f.Ports = []Port{{"mail", 25}} }, `ports: for "mail" is none of web, ssh and tunnel`},
		{"a port that is none", func(f *File) { f.Ports = []Port{{WebPort, 0}} }, "ports: 0 is not a port"},
		{"a port twice", func(f *File) { f.Ports = []Port{{WebPort, 22}, {SSHPort, 22}} }, "ports: 22 is listed twice"},
		{"the tunnel's port without a tunnel", func(f *File) { f.Ports = []Port{{TunnelPort, 51820}} }, "ports: 51820 is not where this node is called for the tunnel"},
		{"a package that is an option", func(f *File) { f.Packages.Install[0] = "--purge" }, `packages: install: "--purge" is not`},
		{"a package to take away that is a pattern", func(f *File) { f.Packages.Purge[0] = "x11*" }, `packages: purge: "x11*" is not`},
		{"a package to install and to take away", func(f *File) { f.Packages.Purge[0] = "apache2" }, "packages: purge: apache2 is also among"},
		{"a version with a space", func(f *File) { f.Packages.Versions[0].Version = "2.4 62" }, `packages: versions: version "2.4 62" of apache2 is not`},
		{"an architecture in capitals", func(f *File) { f.Packages.Versions[0].Arch = "ARM64" }, `packages: versions: arch "ARM64" of apache2 is not`},
		{"a package without a name", func(f *File) { f.Packages.Versions[0].Name = "" }, `packages: versions: "" is not`},
		{"a package listed twice", func(f *File) { f.Packages.Versions = append(f.Packages.Versions, f.Packages.Versions[0]) },
			"packages: versions: apache2:arm64 is listed twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := storage()
			f.DDNS = remote().DDNS
			tt.edit(&f)
			_, err := Encode(f)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestEncodeRefusesABalancerThatCannotBe(t *testing.T) {
	tests := []struct {
		name string
		edit func(*File)
		want string
	}{
		{"a port of none", func(f *File) { f.Balancer.Port = 0 }, "balancer: port 0 is not a TCP port"},
		{"a router's port", func(f *File) { f.Ports = []Port{{WebPort, 80}} }, "ports: a balancer's router is not asked"},
		{"no public name", func(f *File) { f.Balancer.ServerName = "" }, `balancer: server_name "" is neither`},
		{"an alias with a line of its own", func(f *File) { f.Balancer.Aliases[0] = "a.example\nProxyRequests On" }, `balancer: aliases: "a.example\nProxyRequests On" is neither`},
		{"an alias that is a pattern", func(f *File) { f.Balancer.Aliases[0] = "*.example.net" }, `balancer: aliases: "*.example.net" is neither`},
		{"no member", func(f *File) { f.Balancer.Members = nil }, "balancer: members: none of them serves always"},
		{"only a standby", func(f *File) { f.Balancer.Members = f.Balancer.Members[1:] }, "balancer: members: none of them serves always"},
		{"a member that is no node", func(f *File) { f.Balancer.Members[0].Name = "x" }, `balancer: members: "x" is no node`},
		{"the balancer as its own member", func(f *File) { f.Balancer.Members[0].Name = "lb" }, `balancer: members: "lb" is no node`},
		{"a member without a host", func(f *File) { f.Balancer.Members[0].Host = "" }, `balancer: members: host "" of cluster01 is neither`},
		{"a host of one word", func(f *File) { f.Balancer.Members[0].Host = "cluster01" }, `balancer: members: host "cluster01" of cluster01 is neither`},
		{"an address of one link", func(f *File) { f.Balancer.Members[0].Host = "fe80::1%eth0" }, `balancer: members: host "fe80::1%eth0" of cluster01 is neither`},
		{"a member's port beyond all ports", func(f *File) { f.Balancer.Members[1].Port = 65536 }, "balancer: members: port 65536 of cluster04 is not"},
		{"a member twice", func(f *File) { f.Balancer.Members[1].Name = "cluster01" }, "balancer: members: the name or the place of cluster01 is listed twice"},
		{"two members in one place", func(f *File) {
			f.Balancer.Members[0].Host, f.Balancer.Members[0].Port = "FAR.example.net", 8480
		}, "balancer: members: the name or the place of cluster04 is listed twice"},
		{"a storage node that balances", func(f *File) {
			b := f.Balancer
			*f = storage()
			f.Balancer = b
		}, "balancer: a storage node is none"},
		{"a balancer that serves files", func(f *File) { f.Web = &Web{Port: 80} }, "web: a node without a volume serves none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := balancer()
			tt.edit(&f)
			_, err := Encode(f)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// copied is a storage node whose volume a remote one gets a copy of, and copying is that
// one.
func copied() File {
	f := storage()
	f.Nodes = append(f.Nodes, Node{Name: "cluster04", Role: Remote})
	f.GeoRep = &GeoRep{
		Remote: "cluster04", Host: "berries.example.net", Port: 22, User: "geoaccount", Key: private, TarKey: private,
		HostKeys: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"},
	}
	return f
}

const private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n"

func copying() File {
	f := remote()
	f.Nodes = append(f.Nodes, Node{Name: "cluster01", Role: Storage})
	f.Gluster = &Gluster{Members: []Member{{Name: "cluster04", UUID: storage().ID}}, Volume: "volpi", Mount: "/mnt/www"}
	f.Secondary = &Secondary{
		Port: 22, User: "geoaccount", Group: "geogroup", Root: "/var/mountbroker-root",
		Primaries: []Primary{{Name: "cluster01", Key: "ssh-ed25519 AAAAC3Nz", TarKey: "ssh-ed25519 AAAAC3NzB"}},
	}
	return f
}

func TestBothEndsOfACopyComeBackAsTheyWere(t *testing.T) {
	for _, want := range []File{copied(), copying()} {
		text, err := Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestEncodeRefusesACopyThatCannotBe(t *testing.T) {
	tests := []struct {
		name string
		of   func() File
		edit func(*File)
		want string
	}{
		{"of no volume", copied, func(f *File) { f.Gluster, f.Web = nil, nil }, "georep: only a storage node with a volume has one"},
		{"to a storage node", copied, func(f *File) { f.GeoRep.Remote = "cluster02" }, `georep: remote "cluster02" is no remote node`},
		{"to an option", copied, func(f *File) { f.GeoRep.Host = "-oProxyCommand=id" }, `georep: host "-oProxyCommand=id" is neither`},
		{"at no port", copied, func(f *File) { f.GeoRep.Port = 0 }, "georep: port 0 is not"},
		{"for an option", copied, func(f *File) { f.GeoRep.User = "-l" }, `georep: user "-l" is not`},
		{"without a key", copied, func(f *File) { f.GeoRep.TarKey = "" }, "georep: key and tar_key are not both private keys"},
		{"to whoever answers", copied, func(f *File) { f.GeoRep.HostKeys = nil }, "georep: host_keys: there is none"},
		{"to a host key with a line of its own", copied, func(f *File) { f.GeoRep.HostKeys[0] += "\n*" }, `georep: host_keys: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5\n*" is not`},
		{"on a storage node", copied, func(f *File) { f.Secondary = copying().Secondary }, "secondary: only a remote node with a volume is one"},
		{"for root", copying, func(f *File) { f.Secondary.User = "root" }, `secondary: user "root" is not`},
		{"for the group of root", copying, func(f *File) { f.Secondary.Group = "root" }, `secondary: group "root" is not`},
		{"at the root", copying, func(f *File) { f.Secondary.Root = "/" }, `secondary: root "/" is not`},
		{"of nobody", copying, func(f *File) { f.Secondary.Primaries = nil }, "secondary: primaries: there is none"},
		{"of another cluster's node", copying, func(f *File) { f.Secondary.Primaries[0].Name = "x" }, `secondary: primaries: "x" is no storage node`},
		{"with a key that has options", copying, func(f *File) { f.Secondary.Primaries[0].Key = "pty ssh-ed25519 AAAA" }, "secondary: primaries: the keys of cluster01 are not"},
		{"with one key for both", copying, func(f *File) { f.Secondary.Primaries[0].TarKey = f.Secondary.Primaries[0].Key }, "secondary: primaries: the name or a key of cluster01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.of()
			tt.edit(&f)
			_, err := Encode(f)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "b3BlbnNzaA") {
				t.Errorf("the error has a private key in it: %v", err)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.json", storageText, 0o600)
	got, err := ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(storage(), got); diff != "" {
		t.Errorf("node file (-want +got):\n%s", diff)
	}
	open := write("open.json", storageText, 0o644)
	broken := write("broken.json", "{", 0o600)
	missing := filepath.Join(dir, "missing.json")
	for path, want := range map[string]string{
		open:    "its mode is -rw-r--r--, want -rw-------; type: chmod 600 " + open,
		broken:  "it breaks off before its end",
		missing: "no such file or directory",
	} {
		if _, err := ReadFile(path); err == nil || err.Error() != "node file "+path+": "+want {
			t.Errorf("error %v, want node file %s: %s", err, path, want)
		}
	}
}

// FuzzRead holds that no text makes Read panic, and that whatever it accepts
// comes back the same from Encode.
func FuzzRead(f *testing.F) {
	f.Add([]byte(storageText))
	f.Add([]byte(balancerText))
	f.Add([]byte(`{"version":6,"balancer":{"https":{"acme":{},"pair":{}},"members":[{}]},"brick":{},"packages":{},"nodes":[{}],"gluster":{"members":[{}]},"web":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		again, err := Encode(got)
		if err != nil {
			t.Fatalf("Read accepts what Encode refuses: %v", err)
		}
		back, err := Decode(again)
		if err != nil {
			t.Fatalf("Decode refuses what Encode wrote: %v", err)
		}
		if diff := cmp.Diff(got, back); diff != "" {
			t.Errorf("not the same after Encode and Decode:\n%s", diff)
		}
	})
}
