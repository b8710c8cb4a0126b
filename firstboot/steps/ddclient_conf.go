package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"berries/firstboot/host"
)

const (
	ddclientConf    = "/etc/ddclient.conf"
	ddclientDefault = "/etc/default/ddclient"
)

// ddclientDefaults is for Debian's unit, which takes the interval from here, and for
// its hooks of dhclient and ppp, which are to leave the updates to the service.
const ddclientDefaults = oursMark + `
run_dhclient="false"
run_ipup="false"
daemon_interval="5m"
`

// addressPage tells who asks it under which IPv4 address it sees them: ddclient's name
// for what Debian's package proposes. A provider of dynamic DNS need not have such a
// page, and ddclient's own default speaks no HTTPS.
const addressPage = "ipify-ipv4"

var (
	// ownPath are the protocols whose path on the server is a setting of its own.
	ownPath = []string{"dyndns2", "dinahosting", "easydns", "ovh", "woima"}
	// byFamily are the protocols that ddclient 3.11 has taught usev4. With the others
	// it finds nothing in its cache then, and sends an update every five minutes.
	byFamily = []string{"dyndns2", "duckdns", "easydns", "freedns", "njalla"}
)

// conf is ddclient.conf in the words of the installed version.
func (d dynamic) conf(ctx context.Context) (string, error) {
	modern, err := d.knowsUseV4(ctx)
	if err != nil {
		return "", err
	}
	lines := []string{oursMark, "protocol=" + d.d.Protocol}
	if modern && slices.Contains(byFamily, d.d.Protocol) {
		lines = append(lines, "usev4=webv4", "webv4="+addressPage)
	} else {
		lines = append(lines, "use=web", "web="+addressPage)
	}
	lines = append(lines, "ssl=yes", "timeout=30")
	server, path, found := strings.Cut(d.d.Server, "/")
	if found && slices.Contains(ownPath, d.d.Protocol) {
		lines = append(lines, "server="+server, "script=/"+path)
	} else {
		lines = append(lines, "server="+d.d.Server)
	}
	if d.d.Login != "" {
		lines = append(lines, "login='"+escaper.Replace(d.d.Login)+"'")
	}
	// A password is all that is between the first and the last quote of its line.
	lines = append(lines, "password='"+d.d.Password+"'", d.d.Host)
	return strings.Join(lines, "\n") + "\n", nil
}

// escaper is for values between single quotes, passwords apart.
var escaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// knowsUseV4 tells whether the installed ddclient wants usev4 instead of use: 3.10 has
// it, but goes on looking for an address with use, and takes the update for failed.
func (d dynamic) knowsUseV4(ctx context.Context) (bool, error) {
	cmd := host.Command("dpkg-query", "--show", "--showformat=${Version}", "ddclient")
	res, err := d.h.Runner.Run(ctx, cmd)
	if err != nil {
		return false, fmt.Errorf("cannot tell the version of ddclient: %w", err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(res.Stdout), "%d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("cannot tell the version of ddclient: %s says %q", cmd, res.Stdout)
	}
	return major > 3 || major == 3 && minor >= 11, nil
}

// sumOf tells one configuration from another.
func sumOf(conf string) string {
	sum := sha256.Sum256([]byte(conf))
	return hex.EncodeToString(sum[:])
}
