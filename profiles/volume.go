package profiles

import (
	"path"
	"regexp"
	"strings"
)

// volumeName is what the gluster command accepts, kept within the 64
// characters of a host name so that logs and unit names stay readable.
var volumeName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$`)

// plainPath is an absolute path of characters that need no quoting in fstab,
// a unit file or a brick's name.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9._/-]*$`)

// systemDirs belong to the operating system; a mount there hides it.
var systemDirs = strings.Fields("/bin /boot /dev /etc /home /lib /lib64 /lost+found /proc /root /run /sbin /sys /tmp /usr /var")

func readVolume(root *mapping) Volume {
	v := Volume{Name: "volpi", Brick: "/export/brick", WebRoot: "/mnt/www"}
	m := root.below("volume", "volume")
	if m == nil {
		return v
	}
	v.Name = m.text("name", v.Name)
	v.Brick = m.text("brick", v.Brick)
	v.WebRoot = m.text("web_root", v.WebRoot)
	m.refuse("name", v.nameProblem())
	m.refuse("brick", v.brickProblem())
	m.refuse("web_root", directoryProblem(v.WebRoot))
	if mount := path.Dir(v.Brick); inside(v.WebRoot, mount) || inside(mount, v.WebRoot) {
		if !m.wrong("brick", "web_root") {
			m.refuse("web_root", brickAndWebRoot(v.WebRoot, mount))
		}
	}
	return v
}

func (v Volume) nameProblem() problem {
	if !volumeName.MatchString(v.Name) || v.Name == "all" {
		return badVolumeName(v.Name)
	}
	return problem{}
}

// brickProblem judges the brick's directory, and its parent, which is where
// the brick's partition is mounted.
func (v Volume) brickProblem() problem {
	if p := directoryProblem(v.Brick); p.exists() {
		return p
	}
	if path.Dir(v.Brick) == "/" {
		return shallowBrick(v.Brick)
	}
	return problem{}
}

func directoryProblem(dir string) problem {
	switch {
	case !path.IsAbs(dir):
		return relativePath(dir)
	case !plainPath.MatchString(dir):
		return strangePath
	case path.Clean(dir) != dir:
		return uncleanPath(path.Clean(dir))
	case dir == "/":
		return systemDir(dir, "/")
	}
	for _, system := range systemDirs {
		if inside(dir, system) {
			return systemDir(dir, system)
		}
	}
	return problem{}
}

// inside tells whether dir is the other directory or lies within it.
func inside(dir, other string) bool {
	return dir == other || strings.HasPrefix(dir, strings.TrimSuffix(other, "/")+"/")
}
