package cli

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"berries/firstboot/georep"
	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
)

// letIn runs gsync for a guest with the session's key, who asks for that.
func letIn(t *testing.T, env Env, asked string) (code int, stdout, stderr string, became []string) {
	t.Helper()
	var out, complaints bytes.Buffer
	env.Args = []string{"gsync", "session", "geoaccount", "cluster01", "cluster04", "volpi", "/mnt/www"}
	env.Asked, env.Stdout, env.Stderr = asked, &out, &complaints
	env.Become = func(path string, args []string) error {
		became = append([]string{path}, args...)
		return nil
	}
	code = Main(t.Context(), env)
	return code, out.String(), complaints.String(), became
}

const volumeAnswer = `<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volInfo><volumes><volume><name>volpi</name>
<id>018a271e-6532-44d4-8a80-c617c02da93e</id><status>1</status></volume></volumes></volInfo></cliOutput>`

func TestAProofSaysWhatHasArrived(t *testing.T) {
	h := hosttest.New(t, map[string]string{
		"/mnt/www/.berry/sentinel":                                   `{"written":"2026-11-27T10:00:00Z","by":"cluster01"}`,
		"/mnt/www/.berry/whole-018a271e-6532-44d4-8a80-c617c02da93e": "",
	},
		hosttest.Exchange{Cmd: "gluster --mode=script --xml --remote-host=localhost --log-file=/dev/null volume info volpi", Stdout: volumeAnswer},
		hosttest.Exchange{Cmd: "df --block-size=1 --output=used,avail,iused /mnt/www", Stdout: "  Used   Avail IUsed\n 21532672 1915092992   281\n"})
	code, out, said, _ := letIn(t, Env{Host: h.Host}, "prove")
	want := `{"volume":"018a271e-6532-44d4-8a80-c617c02da93e","sentinel":{"written":"2026-11-27T10:00:00Z","by":"cluster01"},` +
		`"whole":true,"used":21532672,"free":1915092992,"files":281}` + "\n"
	if code != ok || out != want {
		t.Errorf("exit %d, %s, got\n%swant\n%s", code, said, out, want)
	}
}

func TestAGuestGetsGsyncdAndNothingElse(t *testing.T) {
	h := hosttest.New(t, map[string]string{"/usr/lib/aarch64-linux-gnu/glusterfs/python/syncdaemon/gsyncd.py": "", "/usr/lib/os-release": ""})
	const asked = "gsyncd secondary volpi geoaccount@cluster04::volpi --secondary-timeout 120"
	code, _, said, became := letIn(t, Env{Host: h.Host}, asked)
	want := []string{"/usr/bin/python3", "python3", "-c", georep.Starter, "/usr/lib/aarch64-linux-gnu/glusterfs/python/syncdaemon/gsyncd.py",
		"secondary", "volpi", "geoaccount@cluster04::volpi", "--secondary-timeout", "120", "-c", "/etc/berry/gsyncd.conf"}
	if code != ok || !slices.Equal(became, want) {
		t.Errorf("exit %d, %s, %q", code, said, became)
	}
	for _, asked := range []string{"", "sh", "prove x", "tar --overwrite -xf - -C /proc/1/cwd"} {
		if code, out, said, became := letIn(t, Env{Host: h.Host}, asked); code != failed || out != "" || became != nil || !strings.Contains(said, "this key is not for") {
			t.Errorf("%q: exit %d, %s%s, %q", asked, code, out, said, became)
		}
	}
	if code, _, said, became := letIn(t, Env{Host: h.Host, Root: true}, asked); code != failed || became != nil || !strings.Contains(said, "gsync is not for root") {
		t.Errorf("as root: exit %d, %s, %q", code, said, became)
	}
}

func TestAGlusterThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	const cmd = "/usr/sbin/gluster --remote-host=localhost --log-file=/dev/null --xml volume info volpi"
	h := hosttest.New(t, nil, hosttest.Exchange{Cmd: cmd, Fails: "Error : Request timed out"}, hosttest.Exchange{Cmd: cmd, Stdout: volumeAnswer})
	code, out, said, became := letIn(t, Env{Host: h.Host}, "/usr/sbin/gluster --xml --remote-host=localhost volume info volpi")
	if code != ok || out != volumeAnswer || became != nil {
		t.Errorf("exit %d, %s%s, %q", code, out, said, became)
	}
}

func TestGsyncSaysWhatCouldNotBeStarted(t *testing.T) {
	h := hosttest.New(t, map[string]string{"/usr/lib/aarch64-linux-gnu/glusterfs/python/syncdaemon/gsyncd.py": ""})
	env := Env{Host: h.Host, Args: []string{"gsync", "session", "geoaccount", "cluster01", "cluster04", "volpi", "/mnt/www"},
		Asked: "gsyncd secondary volpi geoaccount@cluster04::volpi", Become: func(string, []string) error { return errors.New("no such program") }}
	var said bytes.Buffer
	env.Stderr = &said
	if code := Main(t.Context(), env); code != failed || !strings.Contains(said.String(), "no such program") {
		t.Errorf("exit %d, %s", code, said.String())
	}
}

// TestTarsOwnExitCodeReachesGsyncd has a real tar find a name that it cannot unpack.
func TestTarsOwnExitCodeReachesGsyncd(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/gone", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "gone/file", Mode: 0o600}), w.Close()); err != nil {
		t.Fatal(err)
	}
	unpack := func(args ...string) error {
		_, err := host.Exec{}.Run(t.Context(), host.Cmd{Name: "tar", Args: args, Dir: dir, Stdin: bytes.NewReader(archive.Bytes())})
		return err
	}
	for name, tt := range map[string]struct {
		err  error
		want int
	}{
		"all is unpacked":                  {nil, ok},
		"a file cannot be unpacked":        {unpack("--overwrite", "-xf", "-"), tarSkipped},
		"tar ends for another reason":      {&host.CommandError{Cmd: "tar --overwrite -xf -", ExitCode: 1, Err: errors.New("exit 1")}, failed},
		"another program ends like that":   {&host.CommandError{Cmd: "stat --file-system .", ExitCode: tarSkipped, Err: errors.New("exit 2")}, failed},
		"what is asked for is not allowed": {errors.New("this key is not for that"), failed},
	} {
		if got := gsyncExit(tt.err); got != tt.want {
			t.Errorf("%s: exit code %d, want %d (%v)", name, got, tt.want, tt.err)
		}
	}
}
