package node

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	// RFC 1123: a label of a host name.
	labelShape = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// The tz database's own rule for names: letters, digits and -_+ between
	// slashes.
	zoneShape = regexp.MustCompile(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$`)
	// glibc's names in the one codeset that we generate: language and territory.
	localeShape = regexp.MustCompile(`^([a-z]{2,3}_[A-Z]{2}|C)\.UTF-8$`)
	// What fits into ext4's 16 bytes and needs no quoting in fstab.
	brickLabelShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,15}$`)
	// Paths that need no quoting in fstab.
	pathShape = regexp.MustCompile(`^(/[A-Za-z0-9][A-Za-z0-9._-]*)+$`)
)

// Validate tells whether f can be written and acted on: the first field that
// cannot is the error.
func (f File) Validate() error {
	switch {
	case f.Version != Version:
		return fmt.Errorf("version is %d, want %d", f.Version, Version)
	case !labelShape.MatchString(f.Cluster):
		return fmt.Errorf("cluster %q is not a name of letters, digits and hyphens", f.Cluster)
	case !labelShape.MatchString(f.Name):
		return fmt.Errorf("name %q is not a host name", f.Name)
	case f.Role != Storage && f.Role != Remote && f.Role != Balancer:
		return fmt.Errorf("role %q is none of storage, remote and balancer", f.Role)
	case !zoneShape.MatchString(f.TimeZone):
		return fmt.Errorf("time_zone %q is not a time zone name such as Europe/Berlin", f.TimeZone)
	case !localeShape.MatchString(f.Locale):
		return fmt.Errorf("locale %q is not a UTF-8 locale such as en_GB.UTF-8", f.Locale)
	case f.Role == Balancer && f.Brick != nil:
		return errors.New("a balancer holds no brick")
	case f.Role != Balancer && f.Brick == nil:
		return fmt.Errorf("a %s node needs a brick", f.Role)
	case f.Brick != nil:
		return f.Brick.validate()
	}
	return nil
}

func (b Brick) validate() error {
	switch {
	case !brickLabelShape.MatchString(b.Label):
		return fmt.Errorf("brick: label %q is not 1 to 16 letters, digits, dots, hyphens and underscores", b.Label)
	case !pathShape.MatchString(b.Mount):
		return fmt.Errorf("brick: mount %q is not an absolute path of plain names", b.Mount)
	case !pathShape.MatchString(b.Dir):
		return fmt.Errorf("brick: dir %q is not an absolute path of plain names", b.Dir)
	case !strings.HasPrefix(b.Dir, b.Mount+"/"):
		return fmt.Errorf("brick: dir %s is not below mount %s", b.Dir, b.Mount)
	case b.Size < 0:
		return fmt.Errorf("brick: size is %d, which is less than nothing", b.Size)
	}
	return nil
}
