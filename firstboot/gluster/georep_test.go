package gluster

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pair is a brick whose node does not crawl.
func pair(node, uuid, status string) GeoRepPair {
	return GeoRepPair{
		Volume: "volpi", Node: node, NodeUUID: uuid, Brick: "/data/brick1/volpi", User: "root", Secondary: "gl4::volpi",
		Status: status, Entry: Unknown, Data: Unknown, Meta: Unknown, Failures: Unknown,
	}
}

// active is the brick whose node does.
func active(node, uuid, crawl, synced string) GeoRepPair {
	p := pair(node, uuid, "Active")
	p.Crawl, p.Entry, p.Data, p.Meta, p.Failures = crawl, 0, 0, 0, 0
	var err error
	if p.LastSynced, err = time.ParseInLocation(time.DateTime, synced, time.UTC); err != nil {
		panic(err)
	}
	return p
}

func TestGeoRepStatusIsAsGlusterGivesIt(t *testing.T) {
	first := active("gl1", uuid1, "Changelog Crawl", "2026-11-23 21:24:55")
	two, three := pair("gl2", uuid2, "Passive"), pair("gl3", uuid3, "Passive")
	tests := map[string][]GeoRepPair{
		"lab/georep-status-active.xml":       {first, two, three},
		"lab/georep-status-detail.xml":       {first, two, three},
		"lab/georep-status-all.xml":          {first, three, two},
		"lab/georep-status-created.xml":      {pair("gl1", uuid1, "Created"), pair("gl2", uuid2, "Created"), pair("gl3", uuid3, "Created")},
		"lab/georep-status-stopped.xml":      {pair("gl1", uuid1, "Stopped"), pair("gl3", uuid3, "Stopped"), pair("gl2", uuid2, "Stopped")},
		"lab/georep-status-primary-down.xml": {active("gl2", uuid2, "History Crawl", "2026-11-23 21:34:21"), three},
		"lab-bookworm/georep-status-active.xml": {
			active("gl1", bookworm1, "Changelog Crawl", "2026-11-23 22:37:30"),
			pair("gl3", bookworm3, "Passive"), pair("gl2", bookworm2, "Passive")},
		"lab-bookworm/georep-status-created.xml": {
			pair("gl1", bookworm1, "Created"), pair("gl2", bookworm2, "Created"), pair("gl3", bookworm3, "Created")},
	}
	all(t, tests, "georep-status")
	for name, want := range tests {
		got, err := client(t, "volume geo-replication volpi gl4::volpi status", name).GeoRepStatus(t.Context(), "volpi", "gl4::volpi")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestACheckpointIsSetAndCompleted(t *testing.T) {
	const answer = `<cliOutput><opRet>0</opRet><geoRep><volume><sessions><session>
<pair><checkpoint_completed>No</checkpoint_completed><checkpoint_time>2026-11-23 21:30:00</checkpoint_time>
<checkpoint_completion_time>N/A</checkpoint_completion_time></pair>
<pair><checkpoint_completed>Yes</checkpoint_completed><checkpoint_time>2026-11-23 21:30:00</checkpoint_time>
<checkpoint_completion_time>2026-11-23 21:31:00</checkpoint_completion_time></pair>
</session></sessions></volume></geoRep></cliOutput>`
	var a geoRepAnswer
	if err := decode([]byte(answer), &a); err != nil {
		t.Fatal(err)
	}
	set := time.Date(2026, 11, 23, 21, 30, 0, 0, time.UTC)
	var got []Checkpoint
	for _, p := range a.pairs() {
		got = append(got, p.Checkpoint)
	}
	want := []Checkpoint{{Set: set}, {Set: set, Completed: true, At: set.Add(time.Minute)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNoSessionIsAnError(t *testing.T) {
	_, err := client(t, "volume geo-replication volpi gl4::volpi status", "lab/georep-status-nosession.xml").
		GeoRepStatus(t.Context(), "volpi", "gl4::volpi")
	got, typed := errors.AsType[*Error](err)
	if !typed || got.OpRet != -1 || got.OpErrstr != "geo-replication command failed" {
		t.Errorf("error %#v", err)
	}
}
