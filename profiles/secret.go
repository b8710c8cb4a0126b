package profiles

import (
	"fmt"
	"regexp"
	"strings"
)

// Secret is a value that must not be printed. Its fmt and JSON forms are
// "[secret]" (or "" when empty); only Reveal gives the value. It is kept
// behind a pointer because fmt prints the unexported fields of other structs
// without asking their methods.
type Secret struct{ value *string }

// NewSecret wraps value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal returns the value, for writing it where it belongs.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal tells whether both hold the same value.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// String hides the value.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return "[secret]"
}

// Format hides the value from every verb of fmt.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'q' || f.Flag('#') {
		fmt.Fprintf(f, "%q", s.String())
		return
	}
	fmt.Fprint(f, s.String())
}

// MarshalText hides the value from encoding/json and yaml.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// variableName is the usual form of an environment variable's name. Others
// are refused unseen, since it may be the secret itself that was put there.
var variableName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// secret reads the secret that the profile keeps elsewhere: in the file named
// by name_file or in the environment variable named by name_env. The check
// judges the value; it must not repeat it. Nothing given, or nothing usable,
// is the zero Secret.
func (m *mapping) secret(name string, check func(string) problem) Secret {
	key, other := name+"_file", name+"_env"
	var value string
	var p problem
	switch {
	case m.has(key) && m.has(other):
		m.refuse(other, givenTwice(key, other))
		return Secret{}
	case m.has(key):
		if path := m.text(key, ""); path != "" {
			value, p = m.in.secretFile(path)
		}
	case m.has(other):
		key = other
		if variable := m.text(key, ""); variable != "" {
			value, p = m.in.variable(variable)
		}
	default:
		return Secret{}
	}
	if !p.exists() {
		p = check(value)
	}
	m.refuse(key, p)
	return NewSecret(value)
}

// secretFile reads a secret from a file that only its owner may read. The
// line end that editors put behind it is no part of it.
func (in *reading) secretFile(path string) (string, problem) {
	path, p := in.locate(path, in.dir)
	if p.exists() {
		return "", p
	}
	text, mode, p := contents(path, "write the secret into it, and chmod 600 "+path)
	if !p.exists() && mode.Perm()&0o077 != 0 {
		p = readableByOthers(path, mode)
	}
	return strings.TrimRight(text, "\r\n"), p
}

func (in *reading) variable(name string) (string, problem) {
	if !variableName.MatchString(name) {
		return "", notAVariable
	}
	value := ""
	if in.env.Getenv != nil {
		value = in.env.Getenv(name)
	}
	if value == "" {
		return "", variableNotSet(name)
	}
	return value, problem{}
}
