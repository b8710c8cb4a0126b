package profiles

import "strings"

// schema is every key of a profile, by the part that it belongs to. The empty
// part is the profile itself; base, keyboard and address may also be written
// as a single value.
var schema = map[string][]string{
	"": {"cluster", "base", "suite", "time_zone", "locale", "keyboard", "user", "wifi",
		"volume", "root_size", "brick_size", "ddns", "nodes"},
	"base":     {"image", "sha256"},
	"keyboard": {"layout", "model", "variant"},
	"user": {"name", "password_hash", "password_hash_file", "password_hash_env",
		"ssh_keys", "ssh_key_files"},
	"wifi":    {"country", "ssid", "psk_file", "psk_env"},
	"volume":  {"name", "brick", "web_root"},
	"ddns":    {"protocol", "server", "login", "password_file", "password_env", "host"},
	"node":    {"name", "role", "address", "web_port", "ssh_port", "host", "server_name", "server_aliases"},
	"address": {"cidr", "gateway", "dns"},
}

// keyProblem judges one key of a part: known, a secret in the open, or unknown.
func keyProblem(part, key string) problem {
	for _, known := range schema[part] {
		if key == known {
			return problem{}
		}
	}
	switch secret := isSecretKey(key); {
	case secret && part == "user":
		return plainPassword
	case secret && part == "wifi":
		return inlineSecret("psk")
	case secret && part == "ddns":
		return inlineSecret("password")
	}
	return unknownKey(nearest(key, schema[part]), schema[part])
}

// isSecretKey tells whether people keep passwords under such a key.
func isSecretKey(key string) bool {
	switch strings.ToLower(key) {
	case "password", "passwd", "pass", "passphrase", "psk", "token":
		return true
	}
	return false
}
