package profiles

import "strings"

// schema is every key of a profile, by the part that it belongs to. The empty
// part is the profile itself; base, keyboard and address may also be written
// as a single value.
var schema = map[string][]string{
	"": {"cluster", "base", "suite", "time_zone", "locale", "keyboard", "user", "wifi",
		"volume", "root_size", "brick_size", "apt", "ddns", "tunnel", "tunnel_network", "tunnel_port", "status_page", "nodes"},
	"base":     {"image", "sha256"},
	"keyboard": {"layout", "model", "variant"},
	"user": {"name", "password_hash", "password_hash_file", "password_hash_env",
		"ssh_keys", "ssh_key_files"},
	"wifi":        {"country", "ssid", "psk_file", "psk_env"},
	"volume":      {"name", "brick", "web_root"},
	"apt":         {"proxy", "mirrors"},
	"mirror":      {"from", "to"},
	"ddns":        {"protocol", "server", "login", "password_file", "password_env", "host"},
	"status_page": {"port"},
	"node":        {"name", "role", "address", "web_port", "ssh_port", "router_ports", "host", "ddns", "server_name", "server_aliases", "remote", "https"},
	"https":       {"port", "acme", "certificate_file", "key_file"},
	"acme":        {"email", "server"},
	"address":     {"cidr", "gateway", "dns"},
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
