package disktest_test

import (
	"strings"
	"testing"
	"time"

	"berries/builder/disk"
	"berries/builder/disk/disktest"
	"berries/firstboot/host"
)

func TestImagesAreWhatTheyClaimToBe(t *testing.T) {
	for name, c := range map[string]struct {
		options disktest.Options
		cluster string // as fsck.vfat says it
		feature bool   // orphan_file
	}{
		"trixie":                  {disktest.Options{}, "512 bytes per cluster", true},
		"bookworm":                {disktest.Options{Suite: disktest.Bookworm}, "2048 bytes per cluster", false},
		"everything else changed": {disktest.Options{Arch: "armhf", CloudInit: true, Network: disktest.Ifupdown}, "512 bytes per cluster", true},
	} {
		t.Run(name, func(t *testing.T) {
			image := disktest.New(t, c.options)
			disktest.Judge(t, image)
			boot := disktest.Carve(t, image, 1)
			if out := disktest.Run(t, "fsck.vfat", "-nv", boot); !strings.Contains(out, c.cluster) {
				t.Errorf("fsck.vfat does not say %q:\n%s", c.cluster, out)
			}
			root := disktest.Carve(t, image, 2)
			out := disktest.Run(t, "dumpe2fs", "-h", root)
			if got := strings.Contains(out, "orphan_file"); got != c.feature {
				t.Errorf("orphan_file: got %v, want %v", got, c.feature)
			}
			if out := disktest.Run(t, "debugfs", "-R", "htree_dump /usr/lib/systemd/system", root); !strings.Contains(out, "Root node") {
				t.Errorf("the units' folder is not a hashed one:\n%.300s", out)
			}
		})
	}
}

func TestFilesAreAddedOrReplaced(t *testing.T) {
	image := disktest.New(t, disktest.Options{Files: map[string]string{
		"/etc/apt/sources.list.d/new/er.list": "new\n",
		"/etc/hostname":                       "other\n",
	}})
	disktest.Judge(t, image)
	root := disktest.Carve(t, image, 2)
	for path, want := range map[string]string{
		"/etc/apt/sources.list.d/new/er.list": "new\n", "/etc/hostname": "other\n", "/etc/timezone": "Europe/London\n",
	} {
		if got := disktest.Run(t, "debugfs", "-R", "cat "+path, root); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
}

func TestTheSameOptionsMakeTheSameBytes(t *testing.T) {
	o := disktest.Options{CloudInit: true}
	first := disktest.Digest(t, disktest.New(t, o))
	time.Sleep(2 * time.Second) // a clock anywhere would show
	if disktest.Digest(t, disktest.New(t, o)) != first {
		t.Error("two images differ")
	}
}

func TestFaultsAreFoundByForeignPrograms(t *testing.T) {
	for name, c := range map[string]struct {
		fault disktest.Fault
		part  int
		judge []string
		want  string
	}{
		"not unmounted":     {disktest.Dirty, 2, []string{"dumpe2fs", "-h"}, "not clean"},
		"needs recovery":    {disktest.NeedsRecovery, 2, []string{"dumpe2fs", "-h"}, "needs_recovery"},
		"unknown feature":   {disktest.UnknownFeature, 2, []string{"dumpe2fs", "-h"}, "FEATURE_C30"},
		"dirty boot":        {disktest.DirtyFAT, 1, []string{"fsck.vfat", "-n"}, "Dirty bit is set"},
		"GPT":               {disktest.GPT, 0, []string{"sfdisk", "-d"}, "label: gpt"},
		"without partition": {disktest.NoPartitions, 0, []string{"sfdisk", "-d"}, "label: dos"},
	} {
		t.Run(name, func(t *testing.T) {
			path := disktest.New(t, disktest.Options{Fault: c.fault})
			if c.part > 0 {
				path = disktest.Carve(t, path, c.part)
			}
			program, err := disk.LookPath(c.judge[0])
			if err != nil {
				t.Fatal(err)
			}
			// What it says counts, whether it likes the image or not.
			res, _ := host.Exec{}.Run(t.Context(), host.Command(program, append(c.judge[1:], path)...))
			if got := string(res.Stdout) + string(res.Stderr); !strings.Contains(got, c.want) {
				t.Errorf("%v does not say %q:\n%s", c.judge, c.want, got)
			}
		})
	}
}
