package georep

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
