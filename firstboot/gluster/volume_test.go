package gluster

import (
	"errors"
	"maps"
	"testing"

	"berries/firstboot/host/hosttest"

	"github.com/google/go-cmp/cmp"
)

// replicated is the volume of testdata/lab.
func replicated(status int, text string) Volume {
	return Volume{
		Name: "volpi", ID: "7675ed43-1bc7-43b7-8bb8-6ee2aa2fa119", Status: status, StatusText: text,
		Type: "Replicate", Replica: 3,
		Bricks: []Brick{
			{Name: "gl1:/data/brick1/volpi", HostUUID: uuid1},
			{Name: "gl2:/data/brick1/volpi", HostUUID: uuid2},
			{Name: "gl3:/data/brick1/volpi", HostUUID: uuid3},
		},
		Options: map[string]string{
			"cluster.granular-entry-heal": "on", "storage.fips-mode-rchecksum": "on", "transport.address-family": "inet",
			"nfs.disable": "on", "performance.client-io-threads": "off",
		},
	}
}

// single is a volume of one brick.
func single(id, brick, uuid string, options map[string]string) Volume {
	v := Volume{
		Name: "volpi", ID: id, Status: VolumeStarted, StatusText: "Started", Type: "Distribute", Replica: 1,
		Bricks: []Brick{{Name: brick, HostUUID: uuid}},
		Options: map[string]string{
			"storage.fips-mode-rchecksum": "on", "transport.address-family": "inet", "nfs.disable": "on",
		},
	}
	maps.Copy(v.Options, options)
	return v
}

func bookworm() Volume {
	v := replicated(VolumeStarted, "Started")
	v.ID = "aa385a02-440b-4aa0-ac60-fa786ecadd00"
	v.Bricks[0].HostUUID, v.Bricks[1].HostUUID, v.Bricks[2].HostUUID = bookworm1, bookworm2, bookworm3
	v.Options["network.ping-timeout"] = "10"
	return v
}

func TestVolumesAreAsGlusterHasThem(t *testing.T) {
	tests := map[string][]Volume{
		"lab/volume-info.xml":          {replicated(VolumeStarted, "Started")},
		"lab/volume-info-created.xml":  {replicated(VolumeCreated, "Created")},
		"lab/volume-info-none.xml":     nil,
		"lab/volume-info-single.xml":   {single("39d0a6a3-8c5e-431e-a5cb-8a046aea831a", "gl4:/data/brick1/volpi", uuid4, nil)},
		"lab-bookworm/volume-info.xml": {bookworm()},
		"recorded/volume-info-options.xml": {single("5c5caef2-f5cc-485f-8774-9dd9aebc7f9f", "berry1:/mnt/b/volpi",
			"11111111-2222-4333-8444-555555555555", map[string]string{"storage.owner-uid": "33", "network.ping-timeout": "10"})},
	}
	all(t, tests, "volume-info")
	for name, want := range tests {
		got, err := client(t, "volume info", name).Volumes(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestVolumeInfoGivesTheVolumeThatIsAskedFor(t *testing.T) {
	got, err := client(t, "volume info volpi", "lab/volume-info.xml").VolumeInfo(t.Context(), "volpi")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(replicated(VolumeStarted, "Started"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, asked := range map[string]string{
		"lab/volume-info.xml": "other", "lab/volume-info-none.xml": "volpi", "lab/volume-info-nosuch.xml": "volpi",
	} {
		if _, err := client(t, "volume info "+asked, name).VolumeInfo(t.Context(), asked); !errors.Is(err, ErrNoVolume) {
			t.Errorf("%s, asked for %s: error %v, want %v", name, asked, err, ErrNoVolume)
		}
	}
}

func TestVolumeCreate(t *testing.T) {
	tests := []struct {
		name, args, sample string
		bricks             []string
		id                 string
	}{
		{"one brick", "gl4:/b/v", "lab/volume-create-single.xml",
			[]string{"gl4:/b/v"}, "39d0a6a3-8c5e-431e-a5cb-8a046aea831a"},
		{"three", "replica 3 gl1:/b/v gl2:/b/v gl3:/b/v", "lab/volume-create.xml",
			[]string{"gl1:/b/v", "gl2:/b/v", "gl3:/b/v"}, "7675ed43-1bc7-43b7-8bb8-6ee2aa2fa119"},
		{"six, of which each three are copies", "replica 3 a:/b b:/b c:/b d:/b e:/b f:/b", "recorded/volume-create.xml",
			[]string{"a:/b", "b:/b", "c:/b", "d:/b", "e:/b", "f:/b"}, "3ef3edf8-6931-44b8-af2d-94aa35d067b6"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := client(t, "volume create volpi "+tt.args, tt.sample).VolumeCreate(t.Context(), "volpi", tt.bricks...)
			if id != tt.id || err != nil {
				t.Errorf("id %q, %v; want %q", id, err, tt.id)
			}
		})
	}
}

func TestVolumeCreateRefusesOtherNumbersOfBricks(t *testing.T) {
	for n, want := range map[int]string{
		0: "cannot create volume volpi of 0 bricks: it takes 1 brick, or 3, 6, 9 and so on",
		2: "cannot create volume volpi of 2 bricks: it takes 1 brick, or 3, 6, 9 and so on",
		4: "cannot create volume volpi of 4 bricks: it takes 1 brick, or 3, 6, 9 and so on",
	} {
		_, err := Client{Runner: hosttest.New(t, nil).Runner}.VolumeCreate(t.Context(), "volpi", make([]string, n)...)
		if err == nil || err.Error() != want {
			t.Errorf("%d bricks: error %v, want %s", n, err, want)
		}
	}
}

// TestCommandLines holds the commands that change something against what gluster
// was given when the samples were taken.
func TestCommandLines(t *testing.T) {
	tests := []struct {
		args, sample string
		run          func(Client) error
	}{
		{"volume set volpi network.ping-timeout 10 storage.owner-uid 33", "recorded/volume-set.xml", func(c Client) error {
			return c.VolumeSet(t.Context(), "volpi", Option{"network.ping-timeout", "10"}, Option{"storage.owner-uid", "33"})
		}},
		{"volume start volpi", "lab/volume-start.xml", func(c Client) error { return c.VolumeStart(t.Context(), "volpi") }},
		{"volume reset-brick volpi berry3:/export/volpi start", "recorded/reset-brick-start.xml", func(c Client) error {
			return c.ResetBrickStart(t.Context(), "volpi", "berry3:/export/volpi")
		}},
		{"volume reset-brick volpi berry3:/export/volpi berry3:/export/volpi commit force", "recorded/reset-brick-commit.xml", func(c Client) error {
			return c.ResetBrickCommit(t.Context(), "volpi", "berry3:/export/volpi")
		}},
		{"volume heal volpi full", "recorded/heal-full.xml", func(c Client) error { return c.HealFull(t.Context(), "volpi") }},
		{"volume heal volpi full", "lab/heal-full.xml", func(c Client) error { return c.HealFull(t.Context(), "volpi") }},
	}
	for _, tt := range tests {
		if err := tt.run(client(t, tt.args, tt.sample)); err != nil {
			t.Errorf("%s: %v", tt.args, err)
		}
	}
}

func TestRefusalsReachTheCaller(t *testing.T) {
	const brick = "gl2:/b"
	tests := []struct {
		args, sample string
		run          func(Client) error
	}{
		{"volume create volpi gl2:/b", "lab/volume-create-rootfs.xml", func(c Client) error {
			id, err := c.VolumeCreate(t.Context(), "volpi", brick)
			return errors.Join(err, unless(id == "", "it has an id"))
		}},
		{"volume set volpi a b", "recorded/volume-set-unknown.xml", func(c Client) error {
			return c.VolumeSet(t.Context(), "volpi", Option{"a", "b"})
		}},
		{"volume start volpi", "lab/volume-start-again.xml", func(c Client) error { return c.VolumeStart(t.Context(), "volpi") }},
		{"volume reset-brick volpi gl2:/b start", "lab/reset-brick-start.xml", func(c Client) error {
			return c.ResetBrickStart(t.Context(), "volpi", brick)
		}},
		{"volume reset-brick volpi gl2:/b gl2:/b commit force", "lab/reset-brick-commit.xml", func(c Client) error {
			return c.ResetBrickCommit(t.Context(), "volpi", brick)
		}},
		{"pool list", "recorded/not-running.xml", func(c Client) error {
			_, err := c.PoolList(t.Context())
			return err
		}},
		{"volume heal volpi full", "recorded/not-running.xml", func(c Client) error { return c.HealFull(t.Context(), "volpi") }},
	}
	for _, tt := range tests {
		err := tt.run(client(t, tt.args, tt.sample))
		want := "gluster --mode=script --xml " + tt.args + ": " + failures[tt.sample]
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func unless(ok bool, words string) error {
	if ok {
		return nil
	}
	return errors.New(words)
}

// TestHealFullWantsToHearThatItHasBegun: it does not answer in XML, so an answer
// that it does not know is no success.
func TestHealFullWantsToHearThatItHasBegun(t *testing.T) {
	for _, stdout := range []string{"", "<cliOutput><opRet>-1</opRet></cliOutput>", "has been unsuccessful:"} {
		h := hosttest.New(t, nil, hosttest.Exchange{Cmd: "gluster --mode=script --xml volume heal volpi full", Stdout: stdout})
		if err := (Client{Runner: h.Runner}).HealFull(t.Context(), "volpi"); err == nil {
			t.Errorf("%q is taken for success", stdout)
		}
	}
}
