package profiles

import (
	"regexp"
	"strings"
)

// userName is what Debian's adduser accepts, within useradd's 32 characters.
var userName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// systemNames are the users and groups that a node has already: those of
// base-passwd, of Raspberry Pi OS, and of the packages that we install. A
// person of the same name, or with a group of it, would get their rights.
var systemNames = strings.Fields(`
	root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc
	nobody nogroup adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip
	operator src shadow utmp video sasl plugdev staff users input sgx render kvm crontab
	netdev gpio i2c spi lpadmin ssh sshd messagebus avahi polkitd rtkit statd
	systemd-network systemd-resolve systemd-timesync systemd-journal systemd-coredump
	rpi-first-boot-wizard gluster geoaccount ddclient`)

// passwordHash is each form of crypt(5) that Debian's libcrypt accepts and that
// is still strong: yescrypt, gost-yescrypt, scrypt, bcrypt, SHA-512, SHA-256.
var passwordHash = regexp.MustCompile(`^(` + strings.Join([]string{
	`\$g?y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{0,86}\$[./A-Za-z0-9]{43}`,
	`\$7\$[./A-Za-z0-9]{11,97}\$[./A-Za-z0-9]{43}`,
	`\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}`,
	`\$6\$(rounds=[1-9][0-9]{3,8}\$)?[^$:\s]{1,16}\$[./A-Za-z0-9]{86}`,
	`\$5\$(rounds=[1-9][0-9]{3,8}\$)?[^$:\s]{1,16}\$[./A-Za-z0-9]{43}`,
}, "|") + `)$`)

// weakHash is the forms that a rented computer guesses in hours: MD5, NT and
// the traditional DES.
var weakHash = regexp.MustCompile(`^(\$1\$[^$:\s]{0,8}\$[./A-Za-z0-9]{22}|\$3\$\$[0-9a-f]{32}|\$md5[^:\s]*)$`)

// logins are the keys of user that let a person in.
var logins = []string{"ssh_keys", "ssh_key_files", "password", "password_hash", "password_hash_file", "password_hash_env"}

func readUser(root *mapping) User {
	m := root.below("user", "user")
	if m == nil {
		root.refuse("user", nobodyCanLogIn)
		return User{}
	}
	u := User{
		Name:         m.text("name", "pi"),
		PasswordHash: readPasswordHash(m),
		SSHKeys:      append(readSSHKeys(m), readSSHKeyFiles(m)...),
	}
	m.refuse("name", userNameProblem(u.Name))
	if u.PasswordHash.IsZero() && len(u.SSHKeys) == 0 && !m.wrong(logins...) {
		root.refuse("user", nobodyCanLogIn)
	}
	return u
}

func userNameProblem(name string) problem {
	if !userName.MatchString(name) {
		return badUserName(name)
	}
	for _, system := range systemNames {
		if name == system {
			return systemUser(name)
		}
	}
	return problem{}
}

// readPasswordHash reads the hash, which is no secret of the kind that must
// not be in the profile, but is kept like one.
func readPasswordHash(m *mapping) Secret {
	if !m.has("password_hash") {
		return m.secret("password_hash", hashProblem)
	}
	for _, other := range []string{"password_hash_file", "password_hash_env"} {
		if m.has(other) {
			m.refuse(other, givenTwice("password_hash", other))
		}
	}
	hash := m.text("password_hash", "")
	m.refuse("password_hash", hashProblem(hash))
	return NewSecret(hash)
}

func hashProblem(hash string) problem {
	switch {
	case passwordHash.MatchString(hash):
		return problem{}
	case weakHash.MatchString(hash):
		return weakPasswordHash
	}
	return notAHash
}
