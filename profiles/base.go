package profiles

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	trixie   = "trixie"
	bookworm = "bookworm"
)

// The forms of a name in the official catalogue, such as
// raspios-trixie-arm64-lite, and of a SHA-256.
var (
	catalogueName = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)
	sha256Hex     = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func readSuite(m *mapping) string {
	suite := m.text("suite", trixie)
	if suites := []string{trixie, bookworm}; suite != trixie && suite != bookworm {
		m.refuse("suite", notOneOf("suite", suite, suites))
	}
	return suite
}

// readBase reads the base, which is a single value or a mapping that pins it
// with a checksum.
func readBase(root *mapping, suite string) Base {
	m, key := root, "base"
	if root.hasMapping("base") {
		m, key = root.below("base", "base"), "image"
	}
	image := m.text(key, "raspios-"+suite+"-arm64-lite")
	base, p := m.in.base(image, m.in.dir)
	if base.File == "" || m.in.env.BaseOverride == "" {
		m.refuse(key, p)
	}
	if !root.wrong("suite") {
		m.refuse(key, base.suiteProblem(suite))
	}
	if m != root && m.has("sha256") {
		base.SHA256 = strings.ToLower(m.text("sha256", ""))
		if !sha256Hex.MatchString(base.SHA256) {
			m.refuse("sha256", badSHA256)
		}
	}
	return base
}

// override reads a base given on the command line.
func (in *reading) override(image string) (Base, problem) {
	return in.base(image, "")
}

// base tells what kind of base the image is: a URL has "://", a file has a
// slash or the ending of an image, and everything else is a catalogue name.
func (in *reading) base(image, dir string) (Base, problem) {
	switch {
	case strings.Contains(image, "://"):
		return Base{URL: image}, urlProblem(image)
	case !isFileName(image):
		if !catalogueName.MatchString(image) {
			return Base{Name: image}, notACatalogueName
		}
		return Base{Name: image}, problem{}
	}
	path, p := in.locate(image, dir)
	if p.exists() {
		return Base{File: image}, p
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return Base{File: path}, unreadableFile(path, err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		p = fileProblem(path, err, "correct the path, or give another image: berry build --base FILE")
	case !info.Mode().IsRegular():
		p = notAFile(path, info.Mode())
	case info.Size() == 0:
		p = emptyFile(path, "download it again, or give another image: berry build --base FILE")
	}
	return Base{File: absolute}, p
}

func isFileName(image string) bool {
	if strings.ContainsRune(image, '/') {
		return true
	}
	for _, ending := range []string{".img", ".img.xz", ".img.zst", ".zip"} {
		if strings.HasSuffix(image, ending) {
			return true
		}
	}
	return false
}

func urlProblem(raw string) problem {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		return badURL
	case u.Scheme != "http" && u.Scheme != "https":
		return notHTTP(u.Scheme)
	case u.User != nil:
		return urlWithLogin
	}
	return problem{}
}

// suiteProblem finds a catalogue name that speaks of the other suite.
func (b Base) suiteProblem(suite string) problem {
	for _, word := range strings.Split(b.Name, "-") {
		if (word == trixie || word == bookworm) && word != suite {
			return otherSuite(word, suite)
		}
	}
	return problem{}
}
