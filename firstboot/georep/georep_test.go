package georep

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// The starter is run by Python with a gsyncd of the test's own, which takes a message
// as gsyncd does, and does what GlusterFS 11.1 calls for.
func TestGsyncdTakesPlainValuesOnly(t *testing.T) {
	dir := t.TempDir()
	gsyncd := filepath.Join(dir, "gsyncd.py")
	write(t, gsyncd, []byte(`import configparser, io, pickle, sys
import beside
configparser.RawConfigParser().readfp(io.StringIO("[a]\nb=c\n"))
print(sys.argv[1:], pickle.load(sys.stdin.buffer))
`))
	write(t, filepath.Join(dir, "beside.py"), nil)
	write(t, filepath.Join(dir, "resource.py"), []byte("class GLUSTER:\n    def connect(self): pass\n"))
	send := func(value string) (string, error) {
		pack := exec.Command("python3", "-c", `import os, pickle, sys
class Run:
    def __reduce__(self): return (os.system, ("echo pwned",))
sys.stdout.buffer.write(pickle.dumps(`+value+`, 2))`)
		message, err := pack.Output()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("python3", "-c", Starter, gsyncd, "secondary", "-x")
		cmd.Stdin = strings.NewReader(string(message))
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			out = append(out, said.String()...)
		}
		return string(out), err
	}
	const plain = `((1, 2, 3.5), 'entry_ops', [{'op': 'CREATE', 'stat': {'uid': 33}, 'x': None}], b'\xff')`
	out, err := send(plain)
	if want := "['secondary', '-x'] " + plain + "\n"; err != nil || out != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
	out, err = send("Run()")
	if err == nil || strings.HasPrefix(out, "pwned") || !strings.Contains(out, "is no plain value") {
		t.Errorf("%v: %s", err, out)
	}
}

// Three at once mount with a gsyncd of the test's own, each of which leaves a child behind
// that goes on for longer.
func TestGsyncdsMountOneAfterTheOther(t *testing.T) {
	dir := t.TempDir()
	gsyncd := filepath.Join(dir, "gsyncd.py")
	write(t, gsyncd, []byte("import resource\nresource.GLUSTER().connect()\n"))
	write(t, filepath.Join(dir, "resource.py"), []byte(`import os, time
class GLUSTER:
    def connect(self):
        os.mkdir("mounting")
        time.sleep(0.2)
        os.rmdir("mounting")
        if os.fork() == 0:
            os.close(1), os.close(2)
            time.sleep(5)
            os._exit(0)
`))
	began := time.Now()
	var all errgroup.Group
	for range 3 {
		all.Go(func() error {
			cmd := exec.Command("python3", "-c", Starter, gsyncd)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// The shim is loaded by Python's own means into a gsyncd of the test's own, whose brick
// closes six changelogs and tells of the third only.
func TestGsyncdLooksForWhatItsBrickDoesNotTell(t *testing.T) {
	dir := t.TempDir()
	site := filepath.Join(dir, "site")
	for name, text := range map[string]string{
		"site/berry_gsyncd.py":  Shim,
		"site/berry-gsyncd.pth": ShimPath,
		"libgfchangelog.py": `
import os
closed, told = [], []
class ChangelogException(OSError): pass
def getchanges():
    new = ["/live/CHANGELOG.%d" % n for n in told]
    told.clear()
    return new
def done(path): pass
def history_changelog(path, start, end, jobs):
    first = min(int(n.split(".")[-1]) for n in os.listdir(path + "/htime") if int(n.split(".")[-1]) > closed[0] - 30)
    assert path == brick + "/.glusterfs/changelogs" and first <= start < closed[-1], (path, start, end)
    for n in closed:
        if start <= n <= end:
            open(work + "/.history/.processing/CHANGELOG.%d" % n, "w").close()
def history_done(path):
    assert path.startswith(work + "/.history/.processing/")
    os.remove(path)
`,
		"primary.py": `
import libgfchangelog, os
from types import SimpleNamespace as Some
gconf, rconf = {"sync-jobs": 3}, Some(args=Some())
class GPrimaryChangelogMixin:
    changelog_done_func, processed_changelogs_dir, stime, sent = staticmethod(libgfchangelog.done), "/.processed", (5, 0), []
    def get_data_stime(self): return self.stime
    def crawl(self): self.changelogs_batch_process(libgfchangelog.getchanges())
    def changelogs_batch_process(self, changes):
        for c in changes:
            assert self.processed_changelogs_dir == (self.tempdir + "/.history/.processed" if "history" in c else "/.processed"), c
            self.changelog_done_func(c)
            self.sent.append(("missed" if "history" in c else "told", int(c.split(".")[-1]) - 100000))
            self.stime = (int(c.split(".")[-1]) - 1, 0)
`,
		"gsyncd.py": `
import configparser, io, os, sys
configparser.RawConfigParser().readfp(io.StringIO("[a]\nb=c\n"))
import berry_gsyncd, libgfchangelog as lib, primary
here, now = os.path.dirname(__file__), 0
lib.brick, lib.work = here + "/brick", here + "/work"
htime = lib.brick + "/.glusterfs/changelogs/htime"
os.makedirs(htime)
os.makedirs(lib.work + "/.history/.processing")
berry_gsyncd.time.time = lambda: now
def last(name, key):  # a user may not set it
    assert key == "trusted.glusterfs.htime"
    return b"%d:%d" % (lib.closed[-1], len(lib.closed))
os.getxattr = last
p = primary.GPrimaryChangelogMixin()
p.tempdir, primary.rconf.args.local_path = lib.work, lib.brick
def step(at, *closes, tells=(), empty=False):
    global now
    now = 100000 + at
    for n in closes:
        new = "/HTIME.100015" if n < 300 else "/HTIME.100300"
        lib.closed += [100000 + n]
        with open(htime + new, "a") as f:
            f.write("/brick/%s.%d\0" % ("changelog" if empty else "CHANGELOG", 100000 + n))
    lib.told += [100000 + n for n in tells]
    p.crawl()
    for kind in ("told", "missed"):
        sent = [n for k, n in p.sent if k == kind]
        if sent:
            print("after", at, len(sent), kind, "until", sent[-1], "in order" if sent == sorted(sent) else sent)
    p.sent.clear()
step(9)                         # nothing is closed yet
step(21, 20)                    # it may yet be told of
step(24)                        # it was not, and what gsyncd has sent begins before the index
step(27)                        # nothing new
step(36, 35)
step(39)                        # missed as well
step(51, 50, tells=[50])
step(54)                        # told of
step(70, 65)
step(85, 80, empty=True)
step(99, 90, 92)                # two at once
step(160, *range(100, 154, 2), tells=[100, 102])
lib.closed.clear()
step(330, 310, 320)             # another index
long = list(range(400, 20000, 4))
step(20500, *long)              # more than is read at once
step(20520, 20510)
`,
	} {
		write(t, filepath.Join(dir, name), []byte(text))
	}
	// A folder of site packages, as Python has below /usr/local/lib.
	run := exec.Command("python3", "-W", "ignore", "-c", "import site, sys; sys.orig_argv = ['python3', sys.argv[2]]; site.addsitedir(sys.argv[1]); "+
		"sys.path.insert(0, sys.argv[2].rpartition('/')[0]); import runpy; runpy.run_path(sys.argv[2], run_name='__main__')", site, filepath.Join(dir, "gsyncd.py"))
	out, err := run.CombinedOutput()
	const want = `after 24 1 missed until 20 in order
after 39 1 missed until 35 in order
after 51 1 told until 50 in order
after 70 1 missed until 65 in order
after 99 2 missed until 92 in order
after 160 2 told until 102 in order
after 160 25 missed until 152 in order
after 330 2 missed until 320 in order
after 20500 4900 missed until 19996 in order
after 20520 1 missed until 20510 in order
`
	if err != nil || string(out) != want {
		t.Errorf("%v, it did\n%s\nwant\n%s", err, out, want)
	}
}

func TestASentinelComesBackAsItWas(t *testing.T) {
	want := Sentinel{Written: time.Date(2026, 11, 27, 10, 0, 0, 123456789, time.UTC), By: "cluster01", Proven: time.Date(2026, 11, 27, 9, 58, 0, 0, time.UTC)}
	if got := ParseSentinel(want.Text()); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, text := range []string{"", "{", "[]", "\x00\x00"} {
		if got := ParseSentinel([]byte(text)); got != (Sentinel{}) {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestAnAnswerThatIsNoProofIsAnError(t *testing.T) {
	for _, text := range []string{"", "{}", "Welcome to cluster04!\n", `{"volume": 7}`} {
		if _, err := ParseProof([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
