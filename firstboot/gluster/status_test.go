package gluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func brick(host, path, uuid string, port, pid int) Process {
	return Process{Host: host, Path: path, PeerUUID: uuid, Online: pid != Unknown, Port: port, PID: pid}
}

func daemon(host, uuid string, pid int) Process {
	return Process{Host: host, PeerUUID: uuid, Online: pid != Unknown, Port: Unknown, PID: pid}
}

func TestStatusIsAsGlusterGivesIt(t *testing.T) {
	const path = "/data/brick1/volpi"
	bricks := []Process{
		brick("gl1", path, uuid1, 50378, 471), brick("gl2", path, uuid2, 52358, 233), brick("gl3", path, uuid3, 58030, 290),
	}
	old := []Process{
		brick("gl1", path, bookworm1, 57556, 287), brick("gl2", path, bookworm2, 50636, 217),
		brick("gl3", path, bookworm3, 57928, 224),
	}
	tests := map[string][]Status{
		"lab/volume-status.xml": {{"volpi", bricks,
			[]Process{daemon("localhost", uuid1, 488), daemon("gl3", uuid3, 307), daemon("gl2", uuid2, 250)}}},
		"lab/volume-status-detail.xml": {{"volpi", bricks, nil}},
		"lab/volume-status-one-down.xml": {{"volpi", []Process{bricks[0], bricks[2]},
			[]Process{daemon("localhost", uuid1, 488), daemon("gl3", uuid3, 307)}}},
		"lab/volume-status-brick-missing.xml": {{"volpi",
			[]Process{brick("gl1", path, uuid1, 60263, 294), brick("gl2", path, uuid2, Unknown, Unknown), brick("gl3", path, uuid3, 54641, 1986)},
			[]Process{daemon("localhost", uuid1, 337), daemon("gl3", uuid3, 2024), daemon("gl2", uuid2, 1420)}}},
		"lab/volume-status-lone.xml": {{"volpi",
			[]Process{brick("gl1", path, uuid1, Unknown, Unknown)}, []Process{daemon("localhost", uuid1, Unknown)}}},
		"lab/volume-status-none.xml":   nil,
		"lab/volume-status-single.xml": {{"volpi", []Process{brick("gl4", path, uuid4, 54673, 224)}, nil}},
		"lab-bookworm/volume-status.xml": {{"volpi", old,
			[]Process{daemon("localhost", bookworm1, 304), daemon("gl3", bookworm3, 241), daemon("gl2", bookworm2, 234)}}},
		"lab-bookworm/volume-status-volpi-detail.xml": {{"volpi", old, nil}},
		"recorded/volume-status.xml": {{"volpi",
			[]Process{
				brick("berry1", "/export/volpi", recorded1, 52167, 227), brick("berry2", "/export/volpi", recorded2, 55389, 255),
				brick("berry3", "/export/volpi", recorded3, 51689, 259),
			},
			[]Process{daemon("localhost", recorded1, 244), daemon("berry3", recorded3, 288), daemon("berry2", recorded2, 299)}}},
	}
	all(t, tests, "volume-status")
	for name, want := range tests {
		var a statusAnswer
		if err := decode([]byte(sample(t, name)), &a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, a.statuses()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestVolumeStatusIsOfTheVolumeThatIsAskedFor(t *testing.T) {
	got, err := client(t, "volume status volpi", "lab/volume-status.xml").VolumeStatus(t.Context(), "volpi")
	if err != nil || got.Volume != "volpi" || len(got.Bricks) != 3 {
		t.Errorf("got %v, %v", got, err)
	}
	for name, want := range map[string]string{
		"lab/volume-status.xml":             "gluster gives the status of 1 volumes when asked for other",
		"lab/volume-status-none.xml":        "gluster gives the status of 0 volumes when asked for other",
		"lab/volume-status-not-started.xml": "gluster --mode=script --xml volume status other: Volume volpi is not started",
	} {
		_, err := client(t, "volume status other", name).VolumeStatus(t.Context(), "other")
		if err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
}

func TestBricksOfNodesThatAreGoneAreOffline(t *testing.T) {
	for name, want := range map[string][]string{
		"lab/volume-status.xml":               nil,
		"lab/volume-status-one-down.xml":      {"gl2:/data/brick1/volpi"},
		"lab/volume-status-brick-missing.xml": {"gl2:/data/brick1/volpi"},
		"lab/volume-status-lone.xml":          {"gl1:/data/brick1/volpi", "gl2:/data/brick1/volpi", "gl3:/data/brick1/volpi"},
	} {
		s, err := client(t, "volume status volpi", name).VolumeStatus(t.Context(), "volpi")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, s.Offline(replicated(VolumeStarted, "Started"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
