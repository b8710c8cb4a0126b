// Package redact takes secrets out of texts that others are to see, such as logs. What
// comes in are the secrets that somebody knows, and texts; what goes out are the texts
// with node.Blank in place of every secret, in the forms in which programs write them:
// as they are, in JSON, in a URL, line by line. Private keys in PEM go whoever's
// they are.
//
// What nobody knows as a secret, and does not look like a key, stays.
package redact

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berries/firstboot/node"
)

// Redactor knows secrets. The zero Redactor knows none, and takes keys in PEM out.
type Redactor struct{ forms []string }

// part is how long a line of a secret of several lines is at least to be taken out
// where it stands alone. The last line of a key may be "=".
const part = 12

// Add has a secret taken out from now on. Blanks around it are no part of it.
func (r *Redactor) Add(secret string) {
	secret = strings.TrimSpace(secret)
	if secret == "" {
		return
	}
	r.add(secret)
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); len(line) >= part && line != secret && !strings.HasPrefix(line, "-----") {
			r.add(line)
		}
	}
}

// AddLogin has a password taken out, also as HTTP sends it along with a login.
func (r *Redactor) AddLogin(login, password string) {
	r.Add(password)
	if password != "" {
		r.Add(base64.StdEncoding.EncodeToString([]byte(login + ":" + password)))
	}
}

// add adds the forms of a text.
func (r *Redactor) add(text string) {
	forms := []string{text, url.QueryEscape(text), url.PathEscape(text)}
	for _, quoted := range []string{strconv.Quote(text), inJSON(text)} {
		inner := quoted[1 : len(quoted)-1]
		again := inJSON(inner) // as where a program's words are in a report
		forms = append(forms, inner, again[1:len(again)-1])
	}
	for _, form := range forms {
		if !slices.Contains(r.forms, form) {
			r.forms = append(r.forms, form)
		}
	}
}

func inJSON(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return strconv.Quote(text) // of a string there is none
	}
	return string(quoted)
}

// privateKey is a private key in PEM, also within a string of JSON.
var privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----`)

// Clean is the text without secrets.
func (r *Redactor) Clean(text []byte) []byte {
	text = privateKey.ReplaceAllLiteral(text, []byte(node.Blank))
	// The longest first: one may be a part of another.
	forms := slices.Clone(r.forms)
	slices.SortStableFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form, node.Blank)
	}
	return []byte(strings.NewReplacer(pairs...).Replace(string(text)))
}

// setting is a line that gives something with a telling name a value, in the ways of
// NetworkManager, wpa_supplicant, netplan, ddclient, WireGuard and glusterd.
var setting = regexp.MustCompile(`(?im)^[ \t]*"?(?:[a-z0-9_.-]*[_.-])?(?:psk|password|passphrase|privatekey|private-key|presharedkey|preshared-key|secret|token|wep-key[0-9]?)"?[ \t]*[=:][ \t]*(.+?)[ \t]*,?$`)

// shadow is a line of shadow(5) with a password.
var shadow = regexp.MustCompile(`(?m)^[a-z_][a-z0-9_-]*:(\$[^:]+):`)

// shortest is the shortest value that Find takes for a secret: yes and no are none.
const shortest = 6

// Find adds the secrets that a file holds: private keys, passwords that it sets, and
// hashes of passwords.
func (r *Redactor) Find(file []byte) {
	for _, key := range privateKey.FindAll(file, -1) {
		r.Add(string(key))
	}
	for _, shape := range []*regexp.Regexp{setting, shadow} {
		for _, m := range shape.FindAllSubmatch(file, -1) {
			value := strings.Trim(strings.TrimSuffix(string(m[1]), ","), `"'`)
			if len(value) >= shortest && value != node.Blank {
				r.Add(value)
			}
		}
	}
}
