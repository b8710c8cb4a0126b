package redact

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\nAAAAAAAAABAAAAMwAAAAtzc2g\nAQ==\n-----END OPENSSH PRIVATE KEY-----\n"

func TestSecretsAreTakenOutInEveryForm(t *testing.T) {
	r := &Redactor{}
	r.AddLogin("example.org", `p&ss "wörd"`)
	r.Add(key)
	r.Add(" longer-than-short\n")
	r.Add("short")
	r.Add("")
	tests := map[string]struct{ text, want string }{
		"as it is":                      {`password='p&ss "wörd"'`, `password='[secret]'`},
		"in JSON":                       {`{"password":"p\u0026ss \"wörd\""}`, `{"password":"[secret]"}`},
		"as Go quotes it":               {`got "p&ss \"wörd\"", want`, `got "[secret]", want`},
		"in a URL":                      {"GET /?password=p%26ss+%22w%C3%B6rd%22&x", "GET /?password=[secret]&x"},
		"as HTTP sends it":              {"Authorization: Basic ZXhhbXBsZS5vcmc6cCZzcyAid8O2cmQi", "Authorization: Basic [secret]"},
		"a key":                         {"a\n" + key + "b\n", "a\n[secret]\nb\n"},
		"a key in JSON":                 {`{"key":"` + strings.ReplaceAll(key, "\n", `\n`) + `"}`, `{"key":"[secret]\n"}`},
		"a line of a key":               {"gsyncd: AAAAAAAAABAAAAMwAAAAtzc2g", "gsyncd: [secret]"},
		"a key that nobody knows":       {"-----BEGIN RSA PRIVATE KEY-----\nxyz\n-----END RSA PRIVATE KEY-----", "[secret]"},
		"the longer of two":             {"longer-than-short and short", "[secret] and [secret]"},
		"a certificate stays":           {"-----BEGIN CERTIFICATE-----\nxyz\n", "-----BEGIN CERTIFICATE-----\nxyz\n"},
		"what only looks like it stays": {"psk= AQ== p&ss", "psk= AQ== p&ss"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, string(r.Clean([]byte(tt.text)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretsAreFoundInFiles(t *testing.T) {
	tests := map[string]struct{ file, secret string }{
		"NetworkManager": {"[wifi-security]\nkey-mgmt=wpa-psk\npsk=hunter22222\n", "hunter22222"},
		"wpa_supplicant": {"network={\n\tssid=\"home\"\n\tpsk=\"hunter 22222\"\n}\n", "hunter 22222"},
		"netplan":        {"wifis:\n  wlan0:\n    access-points:\n      \"home\":\n        password: \"hunter22222\"\n", "hunter22222"},
		"ddclient":       {"login='me'\npassword='hunter'22222'\nhost\n", "hunter'22222"},
		"WireGuard":      {"[Interface]\nPrivateKey = 4AbCdEfGh=\n", "4AbCdEfGh="},
		"shadow":         {"root:*:20000::::::\npi:$y$j9T$abcdef$ghijkl:20000:0:99999:7:::\n", "$y$j9T$abcdef$ghijkl"},
		"glusterd":       {"type=2\nusername=0a1b\npassword=5a4ab4b6-1f7c-4d0c\n", "5a4ab4b6-1f7c-4d0c"},
		"a key":          {"x\n" + key, key},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := &Redactor{}
			r.Find([]byte(tt.file))
			if got := string(r.Clean([]byte("home <" + strings.TrimSpace(tt.secret) + ">"))); got != "home <[secret]>" {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestNoSecretIsFoundWhereThereIsNone(t *testing.T) {
	r := &Redactor{}
	r.Find([]byte("PasswordAuthentication no\npassword=no\nroot:*:20000::::::\nhub:!:1:\ntransport.socket.read-fail-log=false\n"))
	const text = "no false * ! root 20000"
	if got := string(r.Clean([]byte(text))); got != text {
		t.Errorf("got %s", got)
	}
}
