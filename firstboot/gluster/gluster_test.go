package gluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"

	"github.com/google/go-cmp/cmp"
)

// sample is an answer that gluster gave: in testdata/lab and testdata/lab-bookworm
// from a pool of gl1, gl2 and gl3 with gl4 as its secondary, in testdata/recorded
// from GlusterFS 10.3.
func sample(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// client expects one command and answers with a sample.
func client(t testing.TB, args, name string) Client {
	t.Helper()
	return Client{Runner: hosttest.New(t, nil, hosttest.Exchange{
		Cmd: "gluster --mode=script --xml " + args, Stdout: sample(t, name), Exit: exits[name],
	}).Runner}
}

// exits are the exit statuses that are not 0, where they were seen.
var exits = map[string]int{
	"lab/georep-create-pushpem-22-24007.xml": 1,
	"lab/georep-status-none.xml":             2,
	"lab/georep-status-nosession.xml":        2,
	"lab/georep-status-primary-down-all.xml": 1,
	"lab/heal-info-on-distribute.xml":        234,
	"recorded/heal-info-nosuch.xml":          254,
	"recorded/heal-info-not-started.xml":     251,
	"recorded/not-running.xml":               1,
	"recorded/unknown-command.xml":           1,
}

// failures says of every answer in testdata how its command has failed.
// Those that are not listed have ended well.
var failures = map[string]string{
	"lab/B-detach.xml":                         "Volume does not exist",
	"lab/B-georep-start2.xml":                  "geo-replication session between volpi & gl4::volpi already started",
	"lab/B-peer-detach-with-bricks.xml":        "Peer gl2 hosts one or more bricks. If the peer is in not recoverable state then use either replace-brick or remove-brick command with force to remove all bricks from the peer and attempt the peer detach again.",
	"lab/B-remove-brick.xml":                   "number of bricks provided (1) is not valid. need at least 2 (or 2xN)",
	"lab/georep-create-again.xml":              "Unable to mount and fetch secondary volume details. Please check the log: /var/log/glusterfs/geo-replication/gverify-secondarymnt.log",
	"lab/georep-create-no-verify.xml":          "Unable to get remote volume uuid.",
	"lab/georep-create-port22only.xml":         "Unable to mount and fetch secondary volume details. Please check the log: /var/log/glusterfs/geo-replication/gverify-secondarymnt.log",
	"lab/georep-create-pushpem-22-24007.xml":   "Error : Request timed out; geo-replication command failed",
	"lab/georep-start-after-node-replaced.xml": "Staging failed on gl2. Error: Geo-replication session between volpi and gl4::volpi does not exist.",
	"lab/georep-start-again.xml":               "geo-replication session between volpi & gl4::volpi already started",
	"lab/georep-status-none.xml":               "geo-replication command failed",
	"lab/georep-status-nosession.xml":          "geo-replication command failed",
	"lab/georep-status-primary-down-all.xml":   "Error : Request timed out; geo-replication command failed",
	"lab/georep-stop-after-node-replaced.xml":  "Staging failed on gl2. Error: Geo-replication session between volpi and gl4::volpi does not exist.",
	"lab/georep-stop-force.xml":                "Commit failed on gl2. Please check log file for details.",
	"lab/heal-info-on-distribute.xml":          "This command is supported for only volumes of replicate/disperse type. Volume volpi is not of type replicate/disperse",
	"lab/peer-detach-notpeer.xml":              "gl3 is not part of cluster",
	"lab/probe-not-listening.xml":              "Probe returned with Transport endpoint is not connected",
	"lab/probe-unknown-host.xml":               "Probe returned with Transport endpoint is not connected",
	"lab/reset-brick-commit.xml":               "Pre Validation failed on gl2. geo-replication sessions are active for the volume volpi.; Stop geo-replication sessions involved in this volume. Use 'volume geo-replication status' command for more info.",
	"lab/reset-brick-start.xml":                "Pre Validation failed on gl2. geo-replication sessions are active for the volume volpi.; Stop geo-replication sessions involved in this volume. Use 'volume geo-replication status' command for more info.",
	"lab/volume-create-again.xml":              "Volume volpi already exists",
	"lab/volume-create-badbrick.xml":           "The brick gl1:/data/brick1 is a mount point. Please create a sub-directory under the mount point and use that as the brick directory. Or use 'force' at the end of the command if you want to override this behavior.",
	"lab/volume-create-missing-dir.xml":        "Failed to create brick directory for brick gl1:/data/nodir/volpi. Reason : No such file or directory",
	"lab/volume-create-rootfs.xml":             "The brick gl1:/srv/volpi is being created in the root partition. It is recommended that you don't use the system's root partition for storage backend. Or use 'force' at the end of the command if you want to override this behavior.",
	"lab/volume-info-nosuch.xml":               "Volume does not exist",
	"lab/volume-start-again.xml":               "Volume volpi already started",
	"lab/volume-status-not-started.xml":        "Volume volpi is not started",

	"recorded/heal-info-nosuch.xml":                  "Volume nosuch does not exist",
	"recorded/heal-info-not-started.xml":             "volpi: Not able to fetch volfile from glusterd",
	"recorded/not-running.xml":                       "Connection failed. Please check if gluster daemon is operational.",
	"recorded/unknown-command.xml":                   "unrecognized word: nonsense (position 1); ;  Usage: gluster [options] <help> <peer> <pool> <volume>;  Options:;  --help  Shows the help information;  --version  Shows the version;  --print-logdir  Shows the log directory;  --print-statedumpdir Shows the state dump directory",
	"recorded/volume-create-peer-not-in-cluster.xml": "Host berry2 is not in 'Peer in Cluster' state",
	"recorded/volume-create-same-node.xml":           "Multiple bricks of a replicate volume are present on the same server. This setup is not optimal. Bricks should be on different nodes to have best fault tolerant configuration. Use 'force' at the end of the command if you want to override this behavior.",
	"recorded/volume-set-busy.xml":                   "Another transaction is in progress for volpi. Please try again after some time.",
	"recorded/volume-set-unknown.xml":                "option : nosuch.option does not exist; Did you mean auth.allow?",
	"recorded/volume-set-value.xml":                  `invalid number format "abc" in option "cache-size"`,
	"recorded/volume-status-nosuch.xml":              "Volume nosuch does not exist",
}

// plain are answers in plain text to commands that have done what they were told.
var plain = []string{"lab/heal-full.xml", "lab/heal-statistics-count.xml", "recorded/heal-full.xml"}

func TestEverySampleEndsAsItDid(t *testing.T) {
	names, err := filepath.Glob("testdata/*/*.xml")
	if err != nil || len(names) < 100 {
		t.Fatalf("%d samples (%v)", len(names), err)
	}
	failed := 0
	for _, name := range names {
		name, _ = filepath.Rel("testdata", name)
		want, got := "", ""
		if words := failures[name]; words != "" {
			failed++
			want = "gluster --mode=script --xml some command: " + words
		}
		for _, p := range plain {
			if p == name {
				want = "gluster --mode=script --xml some command: cannot read its answer"
			}
		}
		err := client(t, "some command", name).ask(t.Context(), &reply{}, "some", "command")
		if err != nil {
			got = err.Error()
		}
		if got != want && !(strings.Contains(want, "cannot read") && strings.HasPrefix(got, want)) {
			t.Errorf("%s ends with\n\t%q, want\n\t%q", name, got, want)
		}
		if _, typed := errors.AsType[*Error](err); typed != (failures[name] != "") {
			t.Errorf("%s: the error is a %T", name, err)
		}
	}
	if failed != len(failures) {
		t.Errorf("%d of the %d failures are among the samples", failed, len(failures))
	}
}

func TestAnErrorHasGlustersNumbersAndWords(t *testing.T) {
	_, err := client(t, "volume info volpi", "lab/volume-info-nosuch.xml").VolumeInfo(t.Context(), "volpi")
	got, _ := errors.AsType[*Error](err)
	want := &Error{
		Cmd: "gluster --mode=script --xml volume info volpi", OpRet: -1, OpErrno: 30806, OpErrstr: "Volume does not exist",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	kinds := map[string]error{"not running": ErrNotRunning, "no volume": ErrNoVolume, "busy": ErrBusy}
	tests := map[string]string{
		"recorded/not-running.xml":                 "not running",
		"lab/volume-info-nosuch.xml":               "no volume",
		"recorded/volume-status-nosuch.xml":        "no volume",
		"recorded/heal-info-nosuch.xml":            "no volume",
		"recorded/volume-set-busy.xml":             "busy",
		"lab/volume-status-not-started.xml":        "",
		"lab/volume-create-again.xml":              "",
		"lab/georep-start-after-node-replaced.xml": "", // it is the session that does not exist
		"lab/georep-status-primary-down-all.xml":   "",
	}
	for name, want := range tests {
		err := client(t, "some command", name).ask(t.Context(), &reply{}, "some", "command")
		got := ""
		for kind, target := range kinds {
			if errors.Is(err, target) {
				got += kind
			}
		}
		if got != want || err == nil {
			t.Errorf("%s is %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestAHealOfNoVolumeIsToldApart(t *testing.T) {
	h := hosttest.New(t, nil, hosttest.Exchange{
		Cmd:   "gluster --mode=script --xml volume heal nosuch full",
		Fails: "Launching heal operation to perform full self heal on volume nosuch has been unsuccessful:\nVolume nosuch does not exist\n",
	})
	if err := (Client{Runner: h.Runner}).HealFull(t.Context(), "nosuch"); !errors.Is(err, ErrNoVolume) {
		t.Errorf("error %v", err)
	}
}

func TestUnreadableAnswersAreErrors(t *testing.T) {
	tests := []struct{ name, stdout, want string }{
		{"nothing", "", "cannot read its answer \"\": EOF"},
		{"half an answer", "<cliOutput><opRet>0</opRet>", "cannot read its answer \"<cliOutput><opRet>0</opRet>\": XML syntax error on line 1: unexpected EOF"},
		{"an answer to something else", "<html/>", "cannot read its answer \"<html/>\": it is a html, want a cliOutput"},
		{"no outcome", "<cliOutput/>", "its answer does not say how it ended: there is no opRet"},
		{"no number", "<cliOutput><opRet>well</opRet></cliOutput>",
			"cannot read its answer \"<cliOutput><opRet>well</opRet></cliOutput>\": strconv.ParseInt: parsing \"well\": invalid syntax"},
		{"too much", strings.Repeat(" ", maxAnswer+1), "its answer has 67108865 bytes, which is more than 67108864"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.New(t, nil, hosttest.Exchange{Cmd: "gluster --mode=script --xml pool list", Stdout: tt.stdout})
			_, err := Client{Runner: h.Runner}.PoolList(t.Context())
			if want := "gluster --mode=script --xml pool list: " + tt.want; err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}

func TestAFailureWithoutWordsSaysSo(t *testing.T) {
	h := hosttest.New(t, nil, hosttest.Exchange{
		Cmd: "gluster --mode=script --xml volume start volpi", Stdout: "<cliOutput><opRet>-1</opRet></cliOutput>",
	})
	err := Client{Runner: h.Runner}.VolumeStart(t.Context(), "volpi")
	const want = "gluster --mode=script --xml volume start volpi: it failed and does not say why"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestAStoppedCommandIsNoRefusal(t *testing.T) {
	late := errors.New("that was long enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, late)
	defer cancel()
	err := Client{Runner: sleeper{}}.VolumeStart(ctx, "volpi")
	if _, typed := errors.AsType[*Error](err); typed || !errors.Is(err, late) {
		t.Errorf("error %#v, want one that wraps %q", err, late)
	}
}

// sleeper runs a command that is asked to end, says something and exits with 1.
type sleeper struct{}

func (sleeper) Run(ctx context.Context, _ host.Cmd) (host.Result, error) {
	return host.Exec{}.Run(ctx, host.Command("sh", "-c", "trap 'kill $!; echo tidied; exit 1' TERM; sleep 60 & wait"))
}

func TestAMissingProgramIsNoRefusal(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := Client{Runner: host.Exec{}}.VolumeStart(t.Context(), "volpi")
	if _, typed := errors.AsType[*Error](err); typed || err == nil {
		t.Errorf("error %#v, want the runner's", err)
	}
}

// all wants every sample whose name begins with one of the words to be in a table,
// unless it is a failure.
func all[T any](t *testing.T, table map[string]T, words ...string) {
	t.Helper()
	for _, word := range words {
		names, err := filepath.Glob("testdata/*/" + word + "*.xml")
		if err != nil || len(names) == 0 {
			t.Errorf("no samples of %s (%v)", word, err)
		}
		for _, name := range names {
			name, _ = filepath.Rel("testdata", name)
			if _, found := table[name]; !found && failures[name] == "" {
				t.Errorf("%s is not tested", name)
			}
		}
	}
}
