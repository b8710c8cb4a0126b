package steps

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"berries/firstboot/cards"
	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/peers"
	"berries/firstboot/status"

	"github.com/google/go-cmp/cmp"
)

// pi is one of three nodes of a cluster, by its number.
func pi(number int) node.File {
	f := node.File{
		Name: fmt.Sprintf("cluster0%d", number), Cluster: "berries", Role: node.Storage,
		Brick:   &node.Brick{Label: "berry-brick", Mount: "/export", Dir: "/export/brick"},
		Gluster: &node.Gluster{Volume: "webroot", Mount: "/mnt/www"},
		Web:     &node.Web{Port: 8081},
	}
	for i := range 3 {
		f.Gluster.Members = append(f.Gluster.Members, node.Member{Name: fmt.Sprintf("cluster0%d", i+1), UUID: uuid(i + 1)})
	}
	return f
}

func uuid(number int) string { return fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", number) }

// asks is one gluster command with the inside of its answer.
func asks(cmd, answer string) hosttest.Exchange {
	if !strings.Contains(answer, "<opRet>") {
		answer = "<opRet>0</opRet>" + answer
	}
	return hosttest.Exchange{Cmd: "gluster --mode=script --xml " + cmd, Stdout: "<cliOutput>" + answer + "</cliOutput>"}
}

// refuses is one that glusterd refuses, with its number and its words.
func refuses(cmd string, errno int, words string) hosttest.Exchange {
	return asks(cmd, fmt.Sprintf("<opRet>-1</opRet><opErrno>%d</opErrno><opErrstr>%s</opErrstr>", errno, words))
}

// dead is one that glusterd does not answer.
func dead(cmd string) hosttest.Exchange {
	return hosttest.Exchange{Cmd: "gluster --mode=script --xml " + cmd, Exit: 1,
		Fails: "Connection failed. Please check if gluster daemon is operational."}
}

var (
	release  = hosttest.Exchange{Cmd: "gluster --mode=script --xml --version", Stdout: "glusterfs 11.1\n"}
	noVolume = refuses("volume info webroot", 30806, "Volume webroot does not exist")
)

// pooled is the answer to peer status as node 1 gets it: each "number state", with a
// minus before the number of one that is not connected.
func pooled(others ...string) hosttest.Exchange {
	var b strings.Builder
	for _, o := range others {
		number, state, _ := strings.Cut(o, " ")
		number, off := strings.CutPrefix(number, "-")
		connected := map[bool]int{true: 0, false: 1}[off]
		fmt.Fprintf(&b, "<peer><uuid>00000000-0000-4000-8000-00000000000%s</uuid><hostname>cluster0%s</hostname>"+
			"<connected>%d</connected><state>%s</state><stateStr>State %[4]s</stateStr></peer>", number, number, connected, state)
	}
	return asks("peer status", "<peerStatus>"+b.String()+"</peerStatus>")
}

// seen are nodes that have proved their names, each "name" or "name release".
func seen(list ...string) found {
	var f found
	for _, s := range list {
		name, release, _ := strings.Cut(s, " ")
		p := peers.Peer{Name: name, Addresses: []netip.Addr{netip.MustParseAddr("192.168.2.9")}, State: peers.State{Versions: map[string]string{}}}
		if release != "" {
			p.State.Versions[GlusterFS] = release
		}
		f = append(f, p)
	}
	return f
}

// book is a book of cards in which every node of pi has its first card, this one's
// own among them.
func book(t *testing.T) *cards.Book {
	t.Helper()
	b, err := cards.Open(hosttest.New(t, nil).Files)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := b.Replace(pi(i+1).Name, b.Own()); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// alone is the step on a node that nobody answers.
func alone(t *testing.T) Volume { return Volume{found{}, book(t)} }

// prepared is the step on the first node, for which the others wait.
func prepared(t *testing.T) Volume {
	others := seen("cluster02", "cluster03")
	for i := range others {
		others[i].State.Awaits = true
	}
	return Volume{others, book(t)}
}

// told runs one step and gives how it ended and what it said meanwhile.
func told(t *testing.T, h *host.Host, f node.File, step Step) (end status.Step, said []string) {
	t.Helper()
	Run(t.Context(), h, f, []Step{step}, func(_ int, s status.Step) {
		if s.Doing != "" {
			said = append(said, s.Doing)
		}
		end = s
	})
	end.Seconds = 0
	return end, said
}

// same fails where two things differ.
func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
