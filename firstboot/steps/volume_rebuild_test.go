package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"berries/firstboot/brick"
	"berries/firstboot/cards"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/peers"
	"berries/firstboot/status"
)

// toHeal is the answer to heal info summary: what each of the three bricks has for
// the others.
func toHeal(entries ...int) hosttest.Exchange {
	var b strings.Builder
	for i, n := range entries {
		fmt.Fprintf(&b, "<brick><name>%s</name><status>Connected</status><totalNumberOfEntries>%d</totalNumberOfEntries></brick>", bricks[i], n)
	}
	return asks("volume heal webroot info summary", "<healInfo><bricks>"+b.String()+"</bricks></healInfo>")
}

var (
	healed   = toHeal(0, 0, 0)
	launches = hosttest.Exchange{Cmd: "gluster --mode=script --xml volume heal webroot", Stdout: "Launching heal operation has been successful\n"}
	offline1 = runs("-brick 1", "brick 2", "brick 3", "heal 1", "heal 2", "heal 3")
)

// shelf are nodes that serve the files of their bricks.
type shelf struct {
	found
	files map[string]*hosttest.Host // by node
}

func (s shelf) Fetch(_ context.Context, name, path string) (io.ReadCloser, error) {
	h := s.files[name]
	if h == nil || path != BrickPath {
		return nil, errors.New("it is silent")
	}
	var list bytes.Buffer
	lines := json.NewEncoder(&list)
	if err := brick.Walk(h.Files, brickDir, func(f brick.File) error { return lines.Encode(f) }); err != nil {
		return nil, err
	}
	return io.NopCloser(&list), lines.Encode(brick.File{Kind: "end"})
}

func TestANewBrickIsFilledBeforeItServes(t *testing.T) {
	files := map[string]string{brickDir + "/index.html": "hello", brickDir + "/late": "x"}
	other := hosttest.New(t, files)
	var h *hosttest.Host
	again := healed
	again.Then = func() { h.Write(brickDir+"/late", "x") }
	h = hosttest.New(t, map[string]string{brickDir + "/": "", brickDir + "/index.html": "hello", brickDir + "/.glusterfs/x": ""}, script(
		started, offline1, unmarked,
		started, offline1, unmarked, // and the others are told
		started, offline1, unmarked,
		started, offline1, unmarked,
		started, allRun, // somebody has taken it in
		toHeal(0, 7, 9), launches,
		healed, again,
		started, allRun,
		started, allRun)...)
	var state []string
	h.Units.Then = func(asked string) error {
		state = append(state, asked, BrickState(h.Files))
		return nil
	}
	end, said := told(t, h.Host, pi(1), Volume{shelf{seen("cluster02", "cluster03"), map[string]*hosttest.Host{"cluster02": other, "cluster03": other}}, book(t)})
	same(t, "end", status.Step{Name: "volume", State: status.Done}, end)
	same(t, "said", []string{
		"telling the others that the brick is new",
		"waiting for cluster02 or cluster03 to take the new brick in",
		"filling the brick",
		"filling the brick: 9 files and folders to go",
		"filling the brick: not as on the other nodes: /late",
	}, said)
	same(t, "asked of systemd, and the brick's state then", []string{"restart glusterd.service", ""}, state)
	if h.Files.Exists(RebuildPath) {
		t.Error("the brick is still taken for incomplete")
	}
}

func TestABrickIsFilledAfterACut(t *testing.T) {
	other := hosttest.New(t, map[string]string{brickDir + "/f": "x"})
	for _, before := range []string{peers.BrickNew, peers.BrickFilling} {
		h := hosttest.New(t, map[string]string{brickDir + "/f": "x", RebuildPath: before + "\n"}, script(
			started, allRun,
			started, allRun, healed,
			started, allRun,
			started, allRun)...)
		end, said := told(t, h.Host, pi(1), Volume{shelf{seen("cluster02"), map[string]*hosttest.Host{"cluster02": other}}, book(t)})
		same(t, "end", status.Step{Name: "volume", State: status.Done}, end)
		same(t, "said", []string{"filling the brick"}, said)
	}
}

// A file that is written all the time is never alike, and one that GlusterFS has
// forgotten is not either.
func TestABrickIsFilledWhileSomebodyWrites(t *testing.T) {
	other := hosttest.New(t, map[string]string{brickDir + "/log": "1 2 3\n", brickDir + "/forgotten": "x"})
	h := hosttest.New(t, map[string]string{brickDir + "/log": "1\n", RebuildPath: peers.BrickFilling}, script(
		started, allRun, healed, healed, healed,
		started, allRun)...)
	v := Volume{shelf{seen("cluster02"), map[string]*hosttest.Host{"cluster02": other}}, book(t)}
	var said []string
	err := v.Act(t.Context(), h.Host, pi(1), func(doing string) {
		switch said = append(said, doing); len(said) {
		case 2:
			h.Write(brickDir+"/log", "1 2\n")
		case 3:
			h.Write(brickDir+"/forgotten", "x")
		}
	})
	if err != nil || h.Files.Exists(RebuildPath) {
		t.Errorf("error %v; the brick is still taken for incomplete: %v", err, h.Files.Exists(RebuildPath))
	}
	same(t, "said", []string{
		"filling the brick",
		"filling the brick: not as on the other nodes: /forgotten, /log",
		"filling the brick: not as on the other nodes: /forgotten",
	}, said)
}

func TestABrickWaitsForSomebodyToBeComparedWith(t *testing.T) {
	filling := seen("cluster02", "cluster04")
	filling[0].State.Brick = peers.BrickFilling
	h := hosttest.New(t, map[string]string{brickDir + "/": "", RebuildPath: peers.BrickFilling}, script(started, allRun, healed)...)
	ctx, cancel := context.WithCancelCause(t.Context())
	var said []string
	err := Volume{shelf{filling, nil}, book(t)}.Act(ctx, h.Host, pi(1), func(doing string) {
		if said = append(said, doing); strings.HasPrefix(doing, "waiting") {
			cancel(errOver)
		}
	})
	if !errors.Is(err, errOver) {
		t.Errorf("it ended with %v", err)
	}
	same(t, "said", []string{"filling the brick", "waiting for cluster02 or cluster03 to compare the brick with"}, said)
	if !h.Files.Exists(RebuildPath) {
		t.Error("the brick is taken for complete")
	}
}

// withNewCard are two other nodes, the first of them with a new card.
func withNewCard() found {
	others := seen("cluster02", "cluster03")
	others[0].State.Brick, others[0].State.Card = peers.BrickNew, "new"
	return others
}

func TestTheCaretakerTakesANewBrickIn(t *testing.T) {
	offline := runs("brick 1", "-brick 2", "brick 3", "heal 1", "heal 2", "heal 3")
	const reset = "volume reset-brick webroot cluster02:/export/brick cluster02:/export/brick commit force"
	b := book(t)
	known := asks(reset, "")
	known.Then = func() {
		if got := b.Present()["cluster02"].Card; got != "new" {
			t.Errorf("the brick is taken in while the card is %s", got)
		}
	}
	h := hosttest.New(t, nil, script(started, offline,
		started, offline, refuses(reset, 0, "Pre Validation failed on cluster02."),
		started, offline, known,
		started, allRun, started, allRun)...)
	end, said := told(t, h.Host, pi(1), Volume{withNewCard(), b})
	same(t, "end", status.Step{Name: "volume", State: status.Done}, end)
	same(t, "said", []string{
		"taking the new brick of cluster02 in",
		"taking the new brick of cluster02 in, again and again: cannot take the brick of cluster02 into volume webroot: " +
			"gluster --mode=script --xml " + reset + ": Pre Validation failed on cluster02.",
		"taking the new brick of cluster02 in",
	}, said)
}

func TestOthersThanTheCaretakerLeaveANewBrickAlone(t *testing.T) {
	offline := runs("brick 1", "-brick 2", "brick 3", "heal 1", "heal 2", "heal 3")
	third := seen("cluster01", "cluster02")
	third[1].State.Brick, third[1].State.Card = peers.BrickNew, "new"
	silent := withNewCard()
	silent[0].State.Brick = ""
	tests := []struct {
		name   string
		node   int
		others found
		status hosttest.Exchange
	}{
		{"one with a name that comes later", 3, third, offline},
		{"one whose own brick is being filled", 1, withNewCard(), offline},
		{"a brick that is online already", 1, withNewCard(), allRun},
		{"a brick that is only offline", 1, silent, offline},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := Volume{tt.others, book(t)}.at(hosttest.New(t, nil).Host, pi(tt.node), nil)
			if strings.HasPrefix(tt.name, "one whose own") {
				v.h.Files.Mkdir("/var/lib/berry", 0o755)
				if err := v.writeState(peers.BrickFilling); err != nil {
					t.Fatal(err)
				}
			}
			v.gluster.Runner = hosttest.New(t, nil, tt.status, started).Runner
			s, _, err := v.status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			info, err := v.gluster.VolumeInfo(t.Context(), v.name)
			if err != nil {
				t.Fatal(err)
			}
			if list := v.replaced(s, info); list != nil {
				t.Errorf("it is %s", list[0].doing)
			}
		})
	}
}

func TestPartnersHoldTheSameFiles(t *testing.T) {
	f := pi(5)
	f.Gluster.Members = nil
	for i := range 6 {
		f.Gluster.Members = append(f.Gluster.Members, pi(i + 1).Gluster.Members[0])
		f.Gluster.Members[i].Name = fmt.Sprintf("cluster0%d", i+1)
	}
	for node, want := range map[int][]string{1: {"cluster02", "cluster03"}, 5: {"cluster04", "cluster06"}} {
		f.Name = fmt.Sprintf("cluster0%d", node)
		same(t, f.Name, want, alone(t).at(hosttest.New(t, nil).Host, f, nil).partners())
	}
}

func TestACardThatNobodyKnowsIsRegistered(t *testing.T) {
	b, err := cards.Open(hosttest.New(t, nil).Files)
	if err != nil {
		t.Fatal(err)
	}
	h := hosttest.New(t, nil, script(started, allRun, started, allRun, started, allRun, started, allRun)...)
	end, _ := told(t, h.Host, pi(1), Volume{found{}, b})
	same(t, "end", status.Step{Name: "volume", State: status.Done}, end)
	same(t, "book", map[string]cards.Entry{"cluster01": {Card: b.Own(), Count: 1}}, b.Present())
}

func TestAnOldCardGoesNoFurther(t *testing.T) {
	others := seen("cluster02", "cluster03")
	others[1].State.Cards = map[string]cards.Entry{"cluster01": {Card: "another", Count: 2}}
	pkill := hosttest.Exchange{Cmd: "pkill --exact 'glusterfsd|glusterfs'", Exit: 1}
	tests := []struct {
		name   string
		cmds   []hosttest.Exchange
		want   status.Step
		asked  []string
		others found
	}{
		{"one with files", script(marked(volumeID), marked(volumeID), pkill), status.Step{Name: "peers", State: status.Failed,
			Error: "this card was replaced: cluster01 has another one now; to use it again, flash it anew and take the other one out"},
			[]string{"stop glusterd.service"}, others},
		{"one that was flashed anew", script(unmarked), status.Step{Name: "peers", State: status.AlreadyDone}, nil, others},
		{"the present one", nil, status.Step{Name: "peers", State: status.AlreadyDone}, nil, seen("cluster02")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.New(t, map[string]string{"/etc/hosts": allThree}, tt.cmds...)
			end, _ := told(t, h.Host, pi(1), Peers{tt.others, book(t)})
			same(t, "end", tt.want, end)
			same(t, "asked of systemd", tt.asked, h.Units.Asked)
		})
	}
}
