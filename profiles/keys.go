package profiles

import (
	"strings"

	"golang.org/x/crypto/ssh"
)

// readSSHKeys reads the keys that are in the profile itself.
func readSSHKeys(m *mapping) []string {
	var keys []string
	for _, it := range m.list("ssh_keys") {
		if got := kind(it.value); got != "text" {
			m.in.add(it.place, wrongType("text", got))
			continue
		}
		lines, p := authorizedKeys(it.value.Value)
		m.in.add(it.place, p)
		keys = append(keys, lines...)
	}
	return keys
}

// readSSHKeyFiles reads the keys that the profile names the files of.
func readSSHKeyFiles(m *mapping) []string {
	var keys []string
	for _, it := range m.list("ssh_key_files") {
		path, ok := m.in.scalar(it.value, it.place)
		if !ok {
			continue
		}
		lines, p := m.in.keyFile(path)
		m.in.add(it.place, p)
		keys = append(keys, lines...)
	}
	return keys
}

func (in *reading) keyFile(path string) ([]string, problem) {
	located, p := in.locate(path, in.dir)
	if p.exists() {
		return nil, p
	}
	text, _, p := contents(located, makeKey(located))
	if p.exists() {
		return nil, p
	}
	lines, p := authorizedKeys(text)
	if p == privateKey {
		p = privateKeyFile(path)
	}
	return lines, p
}

// makeKey is the hint for a key file that is not there: the command that makes
// it, where its name is that of a public key.
func makeKey(path string) string {
	private, isPublic := strings.CutSuffix(path, ".pub")
	if !isPublic {
		return "write the path of a public key, such as id.pub"
	}
	return "make one with: ssh-keygen -t ed25519 -f " + private
}

// authorizedKeys takes the keys out of text in the form of sshd(8)'s
// authorized_keys file: one on a line, comments and empty lines between them.
func authorizedKeys(text string) ([]string, problem) {
	if isPrivateKey(text) {
		return nil, privateKey
	}
	var keys []string
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		switch {
		case err != nil || strings.ContainsFunc(line, isControl):
			return nil, notAPublicKey(i+1, len(lines))
		case key.Type() == "ssh-dss" || strings.Contains(key.Type(), "-cert-"):
			return nil, unusableKey(key.Type())
		}
		keys = append(keys, line)
	}
	if len(keys) == 0 {
		return nil, noPublicKey
	}
	return keys, problem{}
}

// isPrivateKey knows the private keys of OpenSSH, PEM and PuTTY.
func isPrivateKey(text string) bool {
	return strings.Contains(text, "PRIVATE KEY--") || strings.Contains(text, "PuTTY-User-Key-File-")
}
