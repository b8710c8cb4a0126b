package gluster

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"berries/firstboot/host"
)

// Version is a release of GlusterFS, such as 11.1.
type Version struct{ Major, Minor int }

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Version tells which GlusterFS is installed. It needs no glusterd.
func (c Client) Version(ctx context.Context) (Version, error) {
	cmd := host.Command("gluster", "--mode=script", "--xml", "--version")
	res, err := c.Runner.Run(ctx, cmd)
	if err != nil {
		return Version{}, err
	}
	v, err := parseVersion(string(res.Stdout))
	if err != nil {
		return Version{}, fmt.Errorf("%s: %w", cmd, err)
	}
	return v, nil
}

// Development builds go on after the numbers.
var versionShape = regexp.MustCompile(`^([0-9]{1,4})\.([0-9]{1,4})`)

func parseVersion(text string) (Version, error) {
	line, _, _ := strings.Cut(text, "\n")
	number, found := strings.CutPrefix(line, "glusterfs ")
	if !found {
		return Version{}, fmt.Errorf("it says %.60q instead of its version", line)
	}
	return ParseVersion(number)
}

// ParseVersion reads the number of a release, such as 11.1, and whatever follows
// it.
func ParseVersion(text string) (Version, error) {
	m := versionShape.FindStringSubmatch(text)
	if m == nil {
		return Version{}, fmt.Errorf("%.60q is not a version of GlusterFS", text)
	}
	major, err := strconv.Atoi(m[1])
	if err != nil {
		return Version{}, err
	}
	minor, err := strconv.Atoi(m[2])
	return Version{major, minor}, err
}

// oldest is the first release whose operating version is known to us.
const oldest = 10

// OperatingVersion is the version of the protocol between the glusterds of a pool
// that a release brings: 100000 for 10.x, 110000 for 11.x (as glusterd says, asked
// for cluster.max-op-version; GD_OP_VERSION_MAX in libglusterfs). glusterd does not
// start with one that is beyond its own.
func (v Version) OperatingVersion() (int, error) {
	if v.Major < oldest {
		return 0, fmt.Errorf("GlusterFS %s is too old: %d.0 is the first that is known here", v, oldest)
	}
	return v.Major * 10000, nil
}
