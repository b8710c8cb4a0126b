// Package georep is what the two ends of geo-replication have to know of each other. The
// steps georep and secondary set the ends up; this is what goes on between them.
//
// A storage node logs in at the remote one with a key that opens one of two doors there,
// and each leads to berry-firstboot gsync, whose Guest judges what is asked for: gsyncd
// of this session, what gluster says of the volume, an archive with files of the volume,
// and a Proof. All else is refused, gsyncd's own way of starting rsync included. gsyncd
// itself is started so that it takes plain values only.
//
// That something has arrived is known by a proof alone, since a session may say that it
// is active and stand still. The storage nodes write a Sentinel, a file of the volume,
// and ask the remote node which one it has.
package georep

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Where things lie below the point at which the volume is mounted, at both ends.
const (
	Dir          = ".berry"
	SentinelFile = Dir + "/sentinel"
	wholePrefix  = "whole-"
)

// WholeFile is a file that says that a volume holds a whole copy. It is written where the
// copy is made from, and so reaches the volume with that id, or none. A volume that is
// made anew has another id.
func WholeFile(volumeID string) string { return Dir + "/" + wholePrefix + volumeID }

// IsWholeFile tells whether a name in Dir is that of such a file.
func IsWholeFile(name string) bool { return strings.HasPrefix(name, wholePrefix) }

// SessionDir is where glusterd and gsyncd of a storage node keep the session that copies a
// volume to the one of the same name at a remote node.
func SessionDir(volume, remote string) string {
	return "/var/lib/glusterd/geo-replication/" + volume + "_" + remote + "_" + volume
}

// Where GlusterFS has its programs.
const (
	glusterDir = "/usr/sbin"
	Gluster    = glusterDir + "/gluster"
)

// ConfPath is where the configuration of gsyncd at the remote node lies, and Conf what is
// in it: gluster's log belongs to root.
const (
	ConfPath = "/etc/berry/gsyncd.conf"
	Conf     = "[vars]\ngluster-cli-options = --log-file=/dev/null\n"
)

// Shim is the Python module that gives gsyncd at the nodes that send what it lacks, and
// ShimPath has Python import it, in gsyncd and nowhere else. Both lie where Python looks
// and no package has files: see the manual of Python's module site.
//
//go:embed primary.py
var Shim string

// ShimPath is the text of a .pth file.
const ShimPath = "import sys; [__import__('berry_gsyncd') for arg in sys.orig_argv[1:2] if arg.endswith('/gsyncd.py')]\n"

// Starter is the Python program that starts gsyncd at the remote node.
//
//go:embed gsyncd.py
var Starter string

// Sentinel is a file that was written only to see it arrive.
type Sentinel struct {
	Written time.Time `json:"written"` // which tells it from all others
	By      string    `json:"by"`      // the node that wrote it
	// Proven is when the last one was written that has arrived, when this one was
	// written; zero where none had.
	Proven time.Time `json:"proven,omitzero"`
}

// Text is the content of the file.
func (s Sentinel) Text() []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // it holds nothing that could not be written
	}
	return append(text, '\n')
}

// ParseSentinel reads one. A file that is none is the zero Sentinel: it will be replaced.
func ParseSentinel(text []byte) Sentinel {
	var s Sentinel
	if json.Unmarshal(text, &s) != nil {
		return Sentinel{}
	}
	return s
}

// Proof is what the remote node has.
type Proof struct {
	Volume   string   `json:"volume"`   // the id of its volume
	Sentinel Sentinel `json:"sentinel"` // the zero one where none has arrived
	Whole    bool     `json:"whole"`    // it knows that it holds a whole copy
	// Used and Free are bytes of its filesystem, Files the names in it: what tells that
	// something is on its way.
	Used  uint64 `json:"used"`
	Free  uint64 `json:"free"`
	Files uint64 `json:"files"`
}

// ParseProof reads the answer of a remote node.
func ParseProof(text []byte) (Proof, error) {
	var p Proof
	if err := json.Unmarshal(text, &p); err != nil || p.Volume == "" {
		return Proof{}, fmt.Errorf("it answers %.80q, which is no proof", text)
	}
	return p, nil
}
