package cli

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestABerryThatKnowsItsCommit(t *testing.T) {
	o := origin{Version: "28b098bc40c1+changes", Commit: "28b098bc40c1f2b0e2d5a7a7e1a6f3f7f2b1c0d9", Time: time.Date(2026, 11, 27, 10, 30, 0, 0, time.FixedZone("CET", 3600)),
		Changed: true, Go: "go1.26.8", Platform: "linux/arm64", Firstboot: map[string]string{"arm64": "aa", "armhf": "bb", "amd64": "cc"}}
	var out bytes.Buffer
	if err := o.print(&out); err != nil {
		t.Fatal(err)
	}
	want := `berry 28b098bc40c1+changes
commit 28b098bc40c1f2b0e2d5a7a7e1a6f3f7f2b1c0d9 of 2026-11-27T09:30:00Z, with changes since
built by go1.26.8 for linux/arm64
berry-firstboot for arm64: sha256 aa
berry-firstboot for armhf: sha256 bb
berry-firstboot for amd64: sha256 cc
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	o.Changed, o.Firstboot = false, nil
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	const wantJSON = `{"version":"28b098bc40c1+changes","commit":"28b098bc40c1f2b0e2d5a7a7e1a6f3f7f2b1c0d9","time":"2026-11-27T10:30:00+01:00",` +
		`"changed":false,"go":"go1.26.8","platform":"linux/arm64","firstboot":null}`
	if diff := cmp.Diff(wantJSON, string(text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
