package profiles

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"4GiB": 4 << 30, "4 GiB": 4 << 30, "512MiB": 512 << 20, "1TiB": 1 << 40, "8KiB": 8192, "+2GiB": 2 << 30,
		"64GB": 64e9, "500MB": 500e6, "3KB": 3000, "2TB": 2e12, "007GiB": 7 << 30,
	} {
		if got, p := parseSize(text); got != want || p.exists() {
			t.Errorf("parseSize(%q) = %d, %q, want %d", text, got, p.message, want)
		}
	}
	for text, want := range map[string]problem{
		"4":                       sizeWithoutUnit("4"),
		"-4GiB":                   negativeSize,
		"4.5GiB":                  fractionalSize,
		"4,5GiB":                  fractionalSize,
		"0MiB":                    zeroSize,
		"9000000TiB":              hugeSize,
		"99999999999999999M":      unknownUnit("M", "MiB"),
		"4gib":                    unknownUnit("gib", "GiB"),
		"4 parsecs":               unknownUnit("parsecs", ""),
		"GiB":                     badSize,
		"":                        badSize,
		"4GiB ":                   badSize,
		"1e9":                     badSize,
		"99999999999999999999GiB": hugeSize,
	} {
		if _, p := parseSize(text); p != want {
			t.Errorf("parseSize(%q) says %q, want %q", text, p.message, want.message)
		}
	}
}

// The hashes are those of "secret", by openssl passwd and Debian's libcrypt.
func TestPasswordHashes(t *testing.T) {
	for _, c := range []struct {
		name, hash string
		want       problem
	}{
		{"yescrypt", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0", problem{}},
		{"gost-yescrypt", "$gy$j9T$F5Jx5fExrKuPp53xLKQ..1$uE5FcoxTz78xZpMZkpTmj/0MogyeNUSLIjdCxpQjz.8", problem{}},
		{"scrypt", "$7$CU..../....SodiumChloride$SgDhJBZvaSDBMst5B70Nz13SP83yo8VuHlxDcyI3x22", problem{}},
		{"bcrypt", "$2b$12$rN2GB4uc6Wqt8tQ4jlm4g.rHIyz4iEn.qhEc.kwlQpbZgik9l4NsK", problem{}},
		{"SHA-512", "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1", problem{}},
		{"SHA-512, many rounds", "$6$rounds=10000$saltsalt$WowrPBpEDVlCoruBosYlrZycTCx3//TyDHYqEhX9DUHHt0XTztUqzQDDUuvUGRA8aUe9p55hcAxeGcu58sm3u.", problem{}},
		{"SHA-256", "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA", problem{}},
		{"MD5", "$1$saltsalt$9xy1btjgzLYfb7hivXtC//", weakPasswordHash},
		{"DES", "abNANd1rDfiNc", notAHash},
		{"plain", "secret", notAHash},
		{"none", "", notAHash},
		{"locked", "!", notAHash},
		{"one letter short", "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5s", notAHash},
		{"another field of shadow(5) behind it", "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA:0", notAHash},
		{"another line behind it", "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA\nroot::", notAHash},
	} {
		if got := hashProblem(c.hash); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got.message, c.want.message)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 63)
	for name, want := range map[string]problem{
		"cluster01": {}, "a": {}, "1a": {}, "a--b": {}, long: {},
		long + "a": badLabel, "-a": badLabel, "a-": badLabel, "a_b": badLabel, "a.b": badLabel, "": badLabel, "ä": badLabel, "a\n": badLabel,
		"A1": upperCaseLabel("a1"), "01": misleadingLabel("01"), "localhost": misleadingLabel("localhost"),
	} {
		if got := labelProblem(name); got != want {
			t.Errorf("labelProblem(%q) says %q, want %q", name, got.message, want.message)
		}
	}
	for name, want := range map[string]problem{
		"example.net": {}, "www.Example.NET": {}, "xn--mller-kva.de": {}, "a.b.c.d1": {},
		"example": badDomain, "example.": badDomain, ".net": badDomain, "192.0.2.7": badDomain, "a b.net": badDomain,
		"*.example.net": badDomain, "müller.de": badDomain, strings.Repeat("a.", 126) + "aa": badDomain,
	} {
		if got := domainProblem(name); got != want {
			t.Errorf("domainProblem(%q) says %q, want %q", name, got.message, want.message)
		}
	}
	for name, want := range map[string]problem{
		"example.net": {}, "192.0.2.7": {}, "2001:db8::7": {}, "192.0.2.700": badHost, "home": badHost, "a.net:80": badHost,
	} {
		if got := hostProblem(name); got != want {
			t.Errorf("hostProblem(%q) says %q, want %q", name, got.message, want.message)
		}
	}
}

func TestDynamicDNSServers(t *testing.T) {
	for server, want := range map[string]problem{
		"dyndns.strato.com/nic/update": {}, "www.duckdns.org": {}, "dyn.example.net:8443": {}, "dyn.example.net:8443/~me/up.php": {},
		"https://dyn.example.net/up": serverWithScheme("dyn.example.net/up"),
		"dyn":                        badServer, "dyn.example.net/up?a=b": badServer, "dyn.example.net password=x": badServer, "": badServer,
	} {
		if got := ddnsServerProblem(server); got != want {
			t.Errorf("ddnsServerProblem(%q) says %q, want %q", server, got.message, want.message)
		}
	}
}

func TestAuthorizedKeys(t *testing.T) {
	key := strings.TrimSpace(read(t, "testdata/bad/id.pub"))
	for _, c := range []struct {
		name, text string
		want       []string
		problem    problem
	}{
		{"one", key, []string{key}, problem{}},
		{"without a comment", strings.TrimSuffix(key, " me@home"), []string{strings.TrimSuffix(key, " me@home")}, problem{}},
		{"with options", `from="192.168.2.*",no-pty ` + key, []string{`from="192.168.2.*",no-pty ` + key}, problem{}},
		{"a whole file", "# home\n" + key + "\r\n\n  " + key + "  \n", []string{key, key}, problem{}},
		{"one of two is broken", key + "\n" + key[:40], nil, notAPublicKey(2, 2)},
		{"nothing but a comment", "# home\n", nil, noPublicKey},
		{"DSA", read(t, "testdata/bad/dsa.pub"), nil, unusableKey("ssh-dss")},
		{"private", read(t, "testdata/bad/id-private"), nil, privateKey},
		{"private, among others", key + "\n" + read(t, "testdata/bad/id-private"), nil, privateKey},
		{"private, of PuTTY", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", nil, privateKey},
		{"a control character in the comment", key + "\x1b[2J", nil, notAPublicKey(1, 1)},
	} {
		got, p := authorizedKeys(c.text)
		if diff := cmp.Diff(c.want, got); diff != "" || p != c.problem {
			t.Errorf("%s: got %q, want %q (-want +got):\n%s", c.name, p.message, c.problem.message, diff)
		}
	}
}

func TestOneDirectoryInsideAnother(t *testing.T) {
	for _, c := range []struct {
		dir, other string
		want       bool
	}{
		{"/mnt/www", "/mnt", true},
		{"/mnt", "/mnt", true},
		{"/mnt", "/", true},
		{"/mnt2", "/mnt", false},
		{"/mnt", "/mnt/www", false},
	} {
		if got := inside(c.dir, c.other); got != c.want {
			t.Errorf("inside(%q, %q) = %v, want %v", c.dir, c.other, got, c.want)
		}
	}
}

func TestSyntaxErrorsPointAtTheLineWhereTheyStart(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line, col  int
	}{
		{"in the first line", "a: b: c\n", 1, 1},
		{"a quote that swallows the rest", "a: 1\nb: \"x\nc: 2\nd: 3\n", 2, 1},
		{"a bracket that swallows the rest", "a: 1\nb:\n  - {c: 1\nd: 3\n", 3, 3},
		{"a bracket over several lines before it", "a: [1,\n  2]\nb: }\n", 3, 1},
		{"a key indented less", "a:\n   b: 1\n  c: 2\n", 3, 3},
		{"a key indented more", "a: 1\n  b: 2\n", 2, 3},
		{"a tab", "a:\n  b: 1\n \tc: 2\n", 3, 2},
		{"without a line end", "a: 1\nb", 2, 1},
		{"in a second document", "a: 1\n---\nb: [\n", 3, 1},
		{"behind letters of many bytes", "a: ä\nb: ü: ö\n", 2, 1},
	} {
		_, err := decode([]byte(c.text))
		if err == nil {
			t.Errorf("%s: yaml accepts %q", c.name, c.text)
			continue
		}
		if at, _ := locateSyntax([]byte(c.text), err); at.line != c.line || at.col != c.col {
			t.Errorf("%s: got %d:%d, want %d:%d", c.name, at.line, at.col, c.line, c.col)
		}
	}
}

func TestAddressesInTheTunnel(t *testing.T) {
	tunnel := Tunnel{Network: netip.MustParsePrefix("10.83.0.0/16")}
	for i, want := range map[int]string{0: "10.83.0.1/16", 4: "10.83.0.5/16", 255: "10.83.1.0/16"} {
		if got := tunnel.Address(i).String(); got != want {
			t.Errorf("node %d has %s, want %s", i, got, want)
		}
	}
}

func TestPrivateNetworks(t *testing.T) {
	for network, want := range map[string]bool{
		"10.0.0.0/8": true, "10.83.0.0/24": true, "172.16.0.0/12": true, "192.168.255.0/24": true,
		"10.0.0.0/7": false, "172.0.0.0/8": false, "172.32.0.0/24": false, "0.0.0.0/0": false, "100.64.0.0/10": false,
	} {
		if got := isPrivate(netip.MustParsePrefix(network)); got != want {
			t.Errorf("%s: private %v, want %v", network, got, want)
		}
	}
}
