package georep

import (
	"slices"
	"strings"
	"testing"
)

var guest = Guest{Door: SessionDoor, Primary: "cluster01", User: "geoaccount", Remote: "cluster04", Volume: "volpi"}

// session is what gsyncd of GlusterFS 11.1 sent in a lab.
const session = "/nonexistent/gsyncd secondary volpi geoaccount@cluster04::volpi --primary-node cluster01 --primary-node-id 11111111-1111-4111-8111-111111111111 " +
	"--primary-brick /export/brick --local-node cluster04 --local-node-id 44444444-4444-4444-8444-444444444444 --secondary-timeout 120 " +
	"--secondary-log-level INFO --secondary-gluster-log-level INFO --secondary-gluster-command-dir /usr/sbin --primary-dist-count 1"

const unpack = "tar --overwrite -xf - -C /proc/4711/cwd"

func TestWhatGsyncdAsksForIsGranted(t *testing.T) {
	tar := guest
	tar.Door = TarDoor
	tests := []struct {
		guest Guest
		line  string
		want  Request
	}{
		{guest, session, Request{Kind: Session, Args: strings.Fields(session)[1:]}},
		{guest, "/usr/sbin/gluster --xml --remote-host=localhost volume info volpi", Request{Kind: Info}},
		{guest, "prove", Request{Kind: Prove}},
		{tar, unpack, Request{Kind: Files, PID: "4711"}},
	}
	for _, tt := range tests {
		got, err := tt.guest.Request(tt.line)
		if err != nil || got.Kind != tt.want.Kind || got.PID != tt.want.PID || !slices.Equal(got.Args, tt.want.Args) {
			t.Errorf("%s: %+v, %v", tt.line, got, err)
		}
	}
}

func TestNothingElseIsGranted(t *testing.T) {
	with := func(old, new string) string {
		if !strings.Contains(session, old) {
			t.Fatalf("nothing to replace: %s", old)
		}
		return strings.Replace(session, old, new, 1)
	}
	tests := []struct {
		name string
		door Door
		line string
	}{
		{"a shell", SessionDoor, ""},
		{"a shell by name", SessionDoor, "sh -c id"},
		{"files over the session's door", SessionDoor, unpack},
		{"a session over the files' door", TarDoor, session},
		{"a proof over the files' door", TarDoor, "prove"},
		{"a proof and more", SessionDoor, "prove; id"},
		{"another volume", SessionDoor, with("secondary volpi", "secondary other")},
		{"another account", SessionDoor, with("geoaccount@", "root@")},
		{"another node's session", SessionDoor, with("--primary-node cluster01", "--primary-node cluster02")},
		{"a gluster of the guest's own", SessionDoor, with("/usr/sbin", "/tmp/x")},
		{"a configuration of the guest's own", SessionDoor, session + " -c /tmp/x"},
		{"an option in another form", SessionDoor, session + " --config-file=/tmp/x x"},
		{"an option without a value", SessionDoor, session + " --debug"},
		{"an option twice", SessionDoor, session + " --primary-dist-count 1"},
		{"a mount that stays", SessionDoor, session + " --secondary-access-mount 1"},
		{"another part of gsyncd", SessionDoor, "gsyncd worker volpi geoaccount@cluster04::volpi"},
		{"a brick that leads elsewhere", SessionDoor, with("/export/brick", "/export/../../etc")},
		{"gluster that changes something", SessionDoor, "gluster --xml --remote-host=localhost volume stop volpi"},
		{"gluster that writes a file", SessionDoor, "gluster --log-file=/tmp/x --xml volume info volpi"},
		{"gluster that asks another", SessionDoor, "gluster --xml --remote-host=cluster01 volume info volpi"},
		{"rsync", SessionDoor, "rsync --server -a . /proc/4711/cwd"},
		{"sftp", SessionDoor, "/usr/lib/openssh/sftp-server"},
		{"tar that packs", TarDoor, "tar --overwrite -cf - -C /proc/4711/cwd"},
		{"tar elsewhere", TarDoor, "tar --overwrite -xf - -C /tmp"},
		{"tar at the root of a process", TarDoor, "tar --overwrite -xf - -C /proc/4711/root"},
		{"tar with a way out", TarDoor, "tar --overwrite -xf - -C /proc/4711/cwd/../root"},
		{"tar with a program", TarDoor, unpack + " --to-command=id"},
		{"tar with absolute names", TarDoor, "tar --overwrite -P -xf - -C /proc/4711/cwd"},
		{"a second line", TarDoor, unpack + "\nid"},
		{"an unknown door", "other", "prove"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := guest
			g.Door = tt.door
			if got, err := g.Request(tt.line); err == nil {
				t.Errorf("%s is granted: %+v", tt.line, got)
			}
		})
	}
}
