package steps

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"berries/firstboot/gluster"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

const (
	volumeID = "7675ed43-1bc7-43b7-8bb8-6ee2aa2fa119"
	brickDir = "/export/brick"
)

// bricks are the bricks of three nodes.
var bricks = []string{"cluster01:" + brickDir, "cluster02:" + brickDir, "cluster03:" + brickDir}

// informs is the answer to volume info: a volume in that status, of those bricks, with
// the options of a web root or without.
func informs(state int, options bool, bricks ...string) hosttest.Exchange {
	replica := map[bool]int{true: 3, false: 1}[len(bricks) >= 3]
	var b strings.Builder
	fmt.Fprintf(&b, "<name>webroot</name><id>%s</id><status>%d</status><replicaCount>%d</replicaCount><bricks>", volumeID, state, replica)
	for _, name := range bricks {
		fmt.Fprintf(&b, "<brick><name>%s</name></brick>", name)
	}
	b.WriteString("</bricks><options>")
	if options {
		for _, o := range gluster.WebOptions("cluster01", "cluster02", "cluster03") {
			fmt.Fprintf(&b, "<option><name>%s</name><value>%s</value></option>", o.Name, o.Value)
		}
	}
	b.WriteString("</options>")
	return asks("volume info webroot", "<volInfo><volumes><volume>"+b.String()+"</volume></volumes></volInfo>")
}

// started is the volume as it is to be.
var started = informs(gluster.VolumeStarted, true, bricks...)

// runs is the answer to volume status: each "brick N" or "heal N", with a minus
// before what is not online.
func runs(processes ...string) hosttest.Exchange {
	var b strings.Builder
	for _, p := range processes {
		p, off := strings.CutPrefix(p, "-")
		kind, number, _ := strings.Cut(p, " ")
		host, path := "cluster0"+number, brickDir
		if kind == "heal" {
			host, path = "Self-heal Daemon", "cluster0"+number
		}
		fmt.Fprintf(&b, "<node><hostname>%s</hostname><path>%s</path><peerid>00000000-0000-4000-8000-00000000000%s</peerid>"+
			"<status>%d</status></node>", host, path, number, map[bool]int{true: 0, false: 1}[off])
	}
	return asks("volume status webroot", "<volStatus><volumes><volume><volName>webroot</volName>"+b.String()+"</volume></volumes></volStatus>")
}

// allRun is the status of a volume as it is to be.
var allRun = runs("brick 1", "brick 2", "brick 3", "heal 1", "heal 2", "heal 3")

const getfattr = "getfattr --absolute-names --encoding=hex --name=trusted.glusterfs.volume-id /export/brick"

// unmarked and marked are the brick's mark.
var unmarked = hosttest.Exchange{Cmd: getfattr, Fails: "/export/brick: trusted.glusterfs.volume-id: No such attribute"}

func marked(id string) hosttest.Exchange {
	return hosttest.Exchange{Cmd: getfattr, Stdout: "# file: /export/brick\ntrusted.glusterfs.volume-id=0x" + strings.ReplaceAll(id, "-", "") + "\n\n"}
}

// sets is the command that sets all options of a web root.
func sets() hosttest.Exchange {
	var words []string
	for _, o := range gluster.WebOptions("cluster01", "cluster02", "cluster03") {
		words = append(words, o.Name, o.Value)
	}
	return asks("volume set webroot "+strings.Join(words, " "), "")
}

var (
	creates = asks("volume create webroot replica 3 "+strings.Join(bricks, " "), "")
	starts  = asks("volume start webroot", "")
	ready3  = pooled("2 3", "3 3")
)

func TestVolumeIsMadeByTheFirstNode(t *testing.T) {
	h := hosttest.New(t, map[string]string{brickDir + "/": ""}, script(
		noVolume, unmarked,
		noVolume, unmarked, ready3, creates,
		informs(gluster.VolumeCreated, false, bricks...), sets(),
		informs(gluster.VolumeCreated, true, bricks...), starts,
		runs("brick 1", "-brick 2", "heal 1", "heal 2"),
		runs("brick 1", "brick 2", "brick 3", "heal 1", "-heal 3", "heal 2"),
		allRun,
		started, allRun,
		started, allRun)...)
	end, said := told(t, h.Host, pi(1), prepared(t))
	same(t, "end", status.Step{Name: "volume", State: status.Done}, end)
	same(t, "said", []string{
		"creating volume webroot",
		"setting the options of volume webroot",
		"starting volume webroot",
		"waiting for the brick of cluster02, the brick of cluster03",
		"waiting for the self-heal daemon of cluster03",
	}, said)
}

func TestVolumeOfSixHasItsBricksInTheOrderOfTheProfile(t *testing.T) {
	f := pi(1)
	f.Gluster.Members = nil
	for _, name := range []string{"berry6", "berry5", "berry4", "cluster01", "berry2", "berry3"} {
		f.Gluster.Members = append(f.Gluster.Members, node.Member{Name: name, UUID: "x"})
	}
	v := alone(t).at(hosttest.New(t, nil).Host, f, nil)
	if v.leader() != "berry2" {
		t.Errorf("the first is %s", v.leader())
	}
	same(t, "bricks", []string{"berry6:" + brickDir, "berry5:" + brickDir, "berry4:" + brickDir, "cluster01:" + brickDir, "berry2:" + brickDir, "berry3:" + brickDir}, v.bricks())
}

func TestVolumeOfOneNeedsNoSelfHeal(t *testing.T) {
	f := pi(1)
	f.Gluster.Members = f.Gluster.Members[:1]
	info := informs(gluster.VolumeStarted, true, bricks[0])
	info.Stdout = strings.Replace(info.Stdout, "cluster01,cluster02,cluster03", "cluster01", 1)
	h := hosttest.New(t, nil, info, runs("brick 1"))
	end, _ := told(t, h.Host, f, alone(t))
	same(t, "end", status.Step{Name: "volume", State: status.AlreadyDone}, end)
}

func TestVolumeIsWaitedForByTheOthers(t *testing.T) {
	h := hosttest.New(t, map[string]string{brickDir + "/": ""}, script(
		noVolume, unmarked,
		noVolume, unmarked,
		noVolume, unmarked,
		informs(gluster.VolumeCreated, false, bricks...),
		informs(gluster.VolumeStarted, false, bricks...), runs("brick 1", "-brick 2"), marked(volumeID), pooled("1 3", "3 3"),
		started, runs("brick 1", "brick 2", "brick 3", "heal 1"),
		started, runs("brick 2", "heal 2"),
		started, runs("brick 2", "heal 2"))...)
	end, said := told(t, h.Host, pi(2), alone(t))
	same(t, "end", status.Step{Name: "volume", State: status.Done}, end)
	same(t, "said", []string{
		"waiting for cluster01 to create volume webroot",
		"waiting for cluster01 to start volume webroot",
		"this node's brick is offline",
		"this node's self-heal daemon is offline",
	}, said)
	if h.Units.Asked != nil {
		t.Errorf("asked of systemd: %v", h.Units.Asked)
	}
}

// TestVolumeGoesOnAfterAnyCut starts the first node where a cut may have left it.
func TestVolumeGoesOnAfterAnyCut(t *testing.T) {
	made := informs(gluster.VolumeCreated, false, bricks...)
	set := informs(gluster.VolumeCreated, true, bricks...)
	tests := []struct {
		name string
		cmds []hosttest.Exchange
		end  status.State
	}{
		{"after the create", script(made, made, sets(), set, starts, allRun, started, allRun, started, allRun), status.Done},
		{"after the options", script(set, set, starts, allRun, started, allRun, started, allRun), status.Done},
		{"after the start", script(started, runs("brick 1", "heal 1")), status.AlreadyDone},
		{"while somebody has changed an option", script(informs(gluster.VolumeStarted, false, bricks...),
			informs(gluster.VolumeStarted, false, bricks...), sets(), started, allRun, started, allRun), status.Done},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.New(t, nil, tt.cmds...)
			end, _ := told(t, h.Host, pi(1), alone(t))
			same(t, "end", status.Step{Name: "volume", State: tt.end}, end)
		})
	}
}

// patient is what is seen by the look of a step, and by those of insist until what
// may pass by itself has not.
func patient(look ...hosttest.Exchange) []hosttest.Exchange {
	return slices.Repeat(look, 1+8)
}

// emptyBrick is a brick of a volume that has been started and holds no file.
func emptyBrick() map[string]string {
	const anonymous = brickDir + "/.glusterfs-anonymous-inode-" + volumeID
	return map[string]string{
		anonymous + "/": "",
		brickDir + "/.glusterfs/changelogs/htime/":                   "",
		brickDir + "/.glusterfs/health_check":                        "2026",
		brickDir + "/.glusterfs/indices/dirty/dirty-58727f93":        "",
		brickDir + "/.glusterfs/landfill/":                           "",
		brickDir + "/.glusterfs/unlink/":                             "",
		brickDir + "/.glusterfs/ff/":                                 "",
		brickDir + "/.glusterfs/7f/0b/7f0ba49d":                      "-> ../../00/00/00000000-0000-0000-0000-000000000001/.glusterfs-anonymous-inode-" + volumeID,
		brickDir + "/.glusterfs/00/00/00000000-0000-0000-0000-00001": "-> ../../..",
	}
}

func TestVolumeMakesAnEmptyBrickAnewAfterAFailedCreate(t *testing.T) {
	looks := script(noVolume, marked(volumeID))
	h := hosttest.New(t, map[string]string{brickDir + "/.glusterfs/": ""}, script(
		looks, looks,
		noVolume, unmarked, ready3, creates,
		started, allRun, started, allRun)...)
	end, said := told(t, h.Host, pi(1), prepared(t))
	same(t, "end", status.Step{Name: "volume", State: status.Done}, end)
	same(t, "said", []string{"making /export/brick anew", "creating volume webroot"}, said)
	if names, err := h.Files.List(brickDir); err != nil || len(names) != 0 {
		t.Errorf("the brick holds %v, %v", names, err)
	}
}

func TestVolumeMakesABrickAnewElsewhereOnlyWhenItStaysLikeThat(t *testing.T) {
	looks := patient(noVolume, marked(volumeID))
	h := hosttest.New(t, emptyBrick(), script(looks, noVolume, unmarked, started, runs("brick 2", "heal 2"), started, runs("brick 2", "heal 2"))...)
	clock := &hosttest.Clock{}
	h.Host.Clock = clock
	began := clock.Now()
	_, said := told(t, h.Host, pi(2), alone(t))
	same(t, "said", []string{
		"/export/brick is marked as part of a volume that there is not",
		"making /export/brick anew",
		"waiting for cluster01 to create volume webroot",
	}, said)
	if took := clock.Now().Sub(began); took < mayPass {
		t.Errorf("it took only %v", took)
	}
}

func TestVolumeTouchesNoBrickThatMayHoldFiles(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"a file", brickDir + "/index.html", brickDir + "/index.html"},
		{"a folder", brickDir + "/img/", brickDir + "/img"},
		{"a file without a name", brickDir + "/.glusterfs/ea/a8/eaa8f452", brickDir + "/.glusterfs/ea/a8/eaa8f452"},
		{"a link without a name", brickDir + "/.glusterfs/ea/a8/eaa8f452", brickDir + "/.glusterfs/ea/a8/eaa8f452"},
		{"a file that is deleted but open", brickDir + "/.glusterfs/unlink/eaa8f452", brickDir + "/.glusterfs/unlink/eaa8f452"},
		{"a file that is being put away", brickDir + "/.glusterfs/landfill/x", brickDir + "/.glusterfs/landfill/x"},
		{"a file that has lost its name", brickDir + "/.glusterfs-anonymous-inode-" + volumeID + "/eaa8f452",
			brickDir + "/.glusterfs-anonymous-inode-" + volumeID + "/eaa8f452"},
		{"something unknown", brickDir + "/.glusterfs/vault", brickDir + "/.glusterfs/vault"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.New(t, emptyBrick(), noVolume, marked(volumeID))
			content := "x"
			if strings.Contains(tt.name, "link") {
				content = "-> index.html"
			}
			h.Write(tt.file, content)
			state, err := alone(t).Look(t.Context(), h.Host, pi(1))
			if want := "there is no volume webroot, but its brick holds " + tt.want; err != nil || state.String() != want {
				t.Errorf("got %q, %v, want %q", state, err, want)
			}
		})
	}
}

func TestVolumeSaysWhatToDoWithABrickThatHoldsFiles(t *testing.T) {
	h := hosttest.New(t, emptyBrick(), patient(noVolume, marked(volumeID))...)
	h.Write(brickDir+"/index.html", "")
	end, _ := told(t, h.Host, pi(1), alone(t))
	same(t, "end", status.Step{Name: "volume", State: status.Failed, Error: "there is no volume webroot, but /export/brick was a brick of one " +
		"and holds /export/brick/index.html; copy what is of use elsewhere and type: rm -r /export/brick"}, end)
}

func TestVolumeStartsItsBrickAgain(t *testing.T) {
	looks := patient(started, runs("-brick 1", "brick 2", "brick 3", "heal 1"), marked(volumeID), ready3)
	h := hosttest.New(t, nil, script(looks, looks[:4], started, allRun, started, allRun)...)
	end, said := told(t, h.Host, pi(1), alone(t))
	same(t, "end", status.Step{Name: "volume", State: status.Done}, end)
	same(t, "said", []string{"this node's brick is offline", "starting glusterd again", "this node's brick is offline"}, said)
	same(t, "asked of systemd", []string{"restart glusterd.service"}, h.Units.Asked)
}

func TestVolumeGivesUpABrickThatStaysOffline(t *testing.T) {
	looks := patient(started, runs("-brick 1", "brick 2", "brick 3", "heal 1"), marked(volumeID), ready3)
	h := hosttest.New(t, nil, script(looks, looks[4:], looks[:4])...)
	end, _ := told(t, h.Host, pi(1), alone(t))
	same(t, "end", status.Step{Name: "volume", State: status.Failed, Error: "still not as it should be: this node's brick is offline"}, end)
	same(t, "asked of systemd", []string{"restart glusterd.service"}, h.Units.Asked)
}

func TestVolumeLooksAtTheBrick(t *testing.T) {
	offline := runs("-brick 1", "brick 2", "brick 3", "heal 1")
	const other = "11111111-2222-4333-8444-555555555555"
	tests := []struct {
		name  string
		cmds  []hosttest.Exchange
		files map[string]string
		want  string
	}{
		{"new, on a card that was flashed anew", script(started, offline, unmarked), nil,
			"the brick of cluster01 is new and empty"},
		{"offline while the node is alone", script(started, offline, marked(volumeID), pooled("-2 3", "-3 3")), nil, "this node is alone"},
		{"with the mark of a create before it knew the volume", script(started, offline, marked(other)), emptyBrick(),
			"/export/brick is marked as part of another volume"},
		{"with the mark of another volume, and files", script(started, offline, marked(other)), map[string]string{brickDir + "/f": ""},
			"error: /export/brick is a brick of another volume, with the id 11111111222243338444555555555555, and holds /export/brick/f; " +
				"volume webroot has " + volumeID + "; copy what is of use elsewhere and flash the card again"},
		{"of which getfattr says nothing", script(started, offline, hosttest.Exchange{Cmd: getfattr, Fails: "Input/output error"}), nil,
			"error: cannot look at the brick: " + getfattr + ": exit status 1: Input/output error"},
		{"of a volume of other bricks", script(informs(1, true, slices.Concat(bricks[:2], []string{"cluster04:/b"})...)), nil,
			"error: volume webroot holds 3 copies on cluster01:/export/brick, cluster02:/export/brick, cluster04:/b, but this image is for " +
				"cluster01:/export/brick, cluster02:/export/brick, cluster03:/export/brick; flash images of one build to all nodes"},
		{"while glusterd does not answer", script(dead("volume info webroot")), nil, "glusterd does not answer"},
		{"while nobody knows the status", script(started, refuses("volume status webroot", 0, "I am not well")), nil,
			"the status of volume webroot is not known: gluster --mode=script --xml volume status webroot: I am not well"},
		{"of a glusterd that refuses to tell", script(refuses("volume info webroot", 0, "I am not well")), nil,
			"error: cannot look at volume webroot: gluster --mode=script --xml volume info webroot: I am not well"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.New(t, tt.files, tt.cmds...)
			state, err := alone(t).Look(t.Context(), h.Host, pi(1))
			got := state.String()
			if err != nil {
				got = "error: " + err.Error()
			}
			if got != tt.want {
				t.Errorf("got\n\t%s\nwant\n\t%s", got, tt.want)
			}
		})
	}
}

func TestVolumeIsPatientWhenOthersAreAtIt(t *testing.T) {
	busy := func(cmd string) hosttest.Exchange {
		return refuses(cmd, 30802, "Another transaction is in progress for webroot.")
	}
	status10 := busy("volume status webroot")
	h := hosttest.New(t, nil, script(started, status10, refuses("volume status webroot", 0, "Locking failed on cluster02. Please check log file for details."), allRun, started, slices.Repeat([]hosttest.Exchange{status10}, 10))...)
	state, err := alone(t).Look(t.Context(), h.Host, pi(1))
	if err != nil || !state.Holds() {
		t.Errorf("busy twice: %q, %v", state, err)
	}
	state, err = alone(t).Look(t.Context(), h.Host, pi(1))
	if err != nil || state.String() != "glusterd is busy" {
		t.Errorf("busy for long: %q, %v", state, err)
	}
}

func TestVolumeIsCreatedWhenAllAreThere(t *testing.T) {
	looks := script(noVolume, unmarked)
	h := hosttest.New(t, map[string]string{brickDir + "/": ""}, script(looks,
		looks, pooled("-2 3", "3 3"),
		looks, ready3, refuses("volume create webroot replica 3 "+strings.Join(bricks, " "), 30800, "Host cluster02 not connected"),
		started, allRun, started, allRun)...)
	end, said := told(t, h.Host, pi(1), prepared(t))
	create := "gluster --mode=script --xml volume create webroot replica 3 " + strings.Join(bricks, " ")
	same(t, "end", status.Step{Name: "volume", State: status.Done}, end)
	same(t, "said", []string{
		"creating volume webroot",
		"creating volume webroot, again and again: cluster02 is not in the pool just now",
		"creating volume webroot",
		"creating volume webroot, again and again: cannot create volume webroot: " + create + ": Host cluster02 not connected",
	}, said)
}

// A create that one member refuses leaves its mark on the others' bricks.
func TestVolumeIsCreatedWhenAllWaitForIt(t *testing.T) {
	v := prepared(t)
	v.Others.(found)[0].State.Awaits = false
	v.Others.(found)[1].Addresses = nil
	looks := script(noVolume, unmarked)
	h := hosttest.New(t, map[string]string{brickDir + "/": ""}, script(looks, looks, started, allRun, started, allRun)...)
	_, said := told(t, h.Host, pi(1), v)
	same(t, "said", []string{"waiting for cluster02, cluster03 to be ready for volume webroot"}, said)
}

func TestAwaits(t *testing.T) {
	tests := []struct {
		state status.State
		doing string
		want  bool
	}{
		{status.Running, "waiting for cluster01 to create volume webroot", true},
		{status.Running, "waiting for cluster01 to start volume webroot", false},
		{status.Running, "/export/brick is marked as part of a volume that there is not", false},
		{status.Done, "waiting for cluster01 to create volume webroot", false},
	}
	for _, tt := range tests {
		if got := Awaits(pi(2), status.Step{Name: "volume", State: tt.state, Doing: tt.doing}); got != tt.want {
			t.Errorf("%s, %s: %v", tt.state, tt.doing, got)
		}
	}
	if Awaits(node.File{}, status.Step{State: status.Running}) {
		t.Error("a node without a pool waits for a volume")
	}
}
