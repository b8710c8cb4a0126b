package georep

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Door is one of the two keys of a storage node, and so what may be asked for with it.
type Door string

// The doors, in the words of the forced commands.
const (
	SessionDoor Door = "session"
	TarDoor     Door = "tar"
)

// Guest is who has opened a door, and what for.
type Guest struct {
	Door    Door
	Primary string // the storage node whose key it is
	User    string // the account that it is logged in as
	Remote  string // this node
	Volume  string // the one volume
}

// Request is what a guest may have.
type Request struct {
	Kind Kind
	// Args are those of gsyncd.py, each of them looked at.
	Args []string
	// PID is that of the gsyncd whose working directory, the mounted volume, files are
	// for.
	PID string
}

// Kind is a kind of request.
type Kind int

// The kinds.
const (
	Session Kind = iota + 1 // gsyncd at this end
	Info                    // what gluster says of the volume
	Files                   // an archive of files comes in
	Prove                   // a Proof
)

// ProveCommand is how a Proof is asked for.
const ProveCommand = "prove"

// Request judges what a guest asks for: the words of a command line, in the shapes in
// which gsyncd and berry-firstboot of GlusterFS 10 and 11 send them, and no other. What
// it returns is made anew from what was understood.
func (g Guest) Request(line string) (Request, error) {
	words := strings.Fields(line)
	switch {
	case g.Door == TarDoor:
		if m := tarShape.FindStringSubmatch(line); m != nil {
			return Request{Kind: Files, PID: m[1]}, nil
		}
	case g.Door == SessionDoor && line == ProveCommand:
		return Request{Kind: Prove}, nil
	case g.Door == SessionDoor && slices.Equal(words[min(1, len(words)):], g.infoArgs()) && programShape.FindString(words[0]) == "gluster":
		return Request{Kind: Info}, nil
	case g.Door == SessionDoor && len(words) > 0 && programShape.FindString(words[0]) == "gsyncd":
		args, err := g.sessionArgs(words[1:])
		return Request{Kind: Session, Args: args}, err
	}
	return Request{}, fmt.Errorf("this key is not for %.80q", line)
}

var (
	tarShape     = regexp.MustCompile(`^tar --overwrite -xf - -C /proc/([1-9][0-9]{0,9})/cwd$`)
	programShape = regexp.MustCompile(`[^/]+$`)
	nameShape    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	pathShape    = regexp.MustCompile(`^(/[A-Za-z0-9][A-Za-z0-9._-]*)+$`)
	idShape      = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	numberShape  = regexp.MustCompile(`^[0-9]{1,9}$`)
	levelShape   = regexp.MustCompile(`^(ERROR|INFO|WARNING|DEBUG)$`)
)

// infoArgs are the arguments with which gsyncd asks gluster.
func (g Guest) infoArgs() []string {
	return []string{"--xml", "--remote-host=localhost", "volume", "info", g.Volume}
}

// sessionArgs judges the arguments of gsyncd.
func (g Guest) sessionArgs(words []string) ([]string, error) {
	want := []string{"secondary", g.Volume, g.User + "@" + g.Remote + "::" + g.Volume}
	if len(words) < len(want) || !slices.Equal(words[:len(want)], want) {
		return nil, fmt.Errorf("this key is for gsyncd %s", strings.Join(want, " "))
	}
	exactly := func(s string) *regexp.Regexp { return regexp.MustCompile("^" + regexp.QuoteMeta(s) + "$") }
	options := map[string]*regexp.Regexp{
		"--primary-node": exactly(g.Primary), "--primary-node-id": idShape, "--primary-brick": pathShape,
		"--local-node": nameShape, "--local-node-id": idShape,
		"--secondary-timeout": numberShape, "--primary-dist-count": numberShape,
		"--secondary-log-level": levelShape, "--secondary-gluster-log-level": levelShape,
		"--secondary-gluster-command-dir": exactly(glusterDir),
	}
	rest := words[len(want):]
	if len(rest)%2 != 0 {
		return nil, fmt.Errorf("gsyncd has an option without a value")
	}
	for i := 0; i < len(rest); i += 2 {
		shape, known := options[rest[i]]
		if !known || !shape.MatchString(rest[i+1]) {
			return nil, fmt.Errorf("this key is not for gsyncd with %.40q %.80q", rest[i], rest[i+1])
		}
		delete(options, rest[i])
	}
	return slices.Clone(words), nil
}
