package gluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// info and summary are a brick with entries to heal, as the two commands tell of it;
// one that is not connected has "-" for its UUID.
func info(name, uuid string, entries int, files ...HealFile) BrickHeal {
	return BrickHeal{
		Brick: name, HostUUID: uuid, Connected: uuid != "-", Entries: entries,
		Pending: Unknown, SplitBrain: Unknown, Healing: Unknown, Files: files,
	}
}

func summary(name, uuid string, pending int) BrickHeal {
	return BrickHeal{Brick: name, HostUUID: uuid, Connected: true, Entries: pending, Pending: pending}
}

func TestHealIsAsGlusterGivesIt(t *testing.T) {
	const gl1, gl2, gl3 = "gl1:/data/brick1/volpi", "gl2:/data/brick1/volpi", "gl3:/data/brick1/volpi"
	const berry1, berry2, berry3 = "berry1:/export/volpi", "berry2:/export/volpi", "berry3:/export/volpi"
	file := HealFile{"9beb112a-21b7-40f6-8403-acbceb92e55a", "/d/f"}
	tests := map[string]struct {
		want   Heal
		healed bool
	}{
		"lab/heal-info.xml":               {Heal{info(gl1, uuid1, 0), info(gl2, uuid2, 0), info(gl3, uuid3, 0)}, true},
		"lab/heal-info-summary.xml":       {Heal{summary(gl1, uuid1, 0), summary(gl2, uuid2, 0), summary(gl3, uuid3, 0)}, true},
		"lab/heal-info-brick-missing.xml": {Heal{info(gl1, uuid1, 0), info(gl2, "-", Unknown), info(gl3, uuid3, 0)}, false},
		"lab/heal-info-one-down.xml": {
			Heal{info(gl1, uuid1, 1, file), info(gl2, "-", Unknown), info(gl3, uuid3, 1, file)}, false},
		"lab-bookworm/volume-heal-volpi-info.xml": {
			Heal{info(gl1, bookworm1, 0), info(gl2, bookworm2, 0), info(gl3, bookworm3, 0)}, true},
		"lab-bookworm/volume-heal-volpi-info-summary.xml": {
			Heal{summary(gl1, bookworm1, 0), summary(gl2, bookworm2, 0), summary(gl3, bookworm3, 0)}, true},
		"recorded/heal-info-one-down.xml": {
			Heal{info(berry1, recorded1, 0), info(berry2, recorded2, 0), info(berry3, "-", Unknown)}, false},
		// The summary has no count for a brick that is gone, and "totalNumberOfEntries0"
		// in its status.
		"recorded/heal-info-summary-one-down.xml": {
			Heal{summary(berry1, recorded1, 0), summary(berry2, recorded2, 0), info(berry3, "-", Unknown)}, false},
		// At once after reset-brick: the root has to be healed first.
		"recorded/heal-info-summary-pending.xml": {
			Heal{summary(berry1, recorded1, 1), summary(berry2, recorded2, 1), summary(berry3, recorded3, 0)}, false},
	}
	all(t, tests, "heal-info", "volume-heal")
	for name, tt := range tests {
		got, err := client(t, "volume heal volpi info", name).HealInfo(t.Context(), "volpi")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got.Healed() != tt.healed {
			t.Errorf("%s: healed is %v", name, got.Healed())
		}
	}
}

func TestHealSummaryAsksForCountsOnly(t *testing.T) {
	got, err := client(t, "volume heal volpi info summary", "lab/heal-info-summary.xml").HealSummary(t.Context(), "volpi")
	if err != nil || !got.Healed() {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAVolumeWithoutBricksIsNotHealed(t *testing.T) {
	if (Heal{}).Healed() {
		t.Error("nothing is known, and yet it is healed")
	}
}

func TestHealOfADistributedVolumeIsAnError(t *testing.T) {
	got, err := client(t, "volume heal volpi info summary", "lab/heal-info-on-distribute.xml").HealSummary(t.Context(), "volpi")
	const want = "gluster --mode=script --xml volume heal volpi info summary: This command is supported for only volumes " +
		"of replicate/disperse type. Volume volpi is not of type replicate/disperse"
	if got != nil || err == nil || err.Error() != want {
		t.Errorf("got %v, %v; want the error %s", got, err, want)
	}
}
