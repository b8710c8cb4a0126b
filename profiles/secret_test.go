package profiles

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	s := NewSecret("hunter2")
	type hidden struct{ inner Secret }
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p", "%t"} {
		for _, value := range []any{s, &s, User{PasswordHash: s}, hidden{s}, []Secret{s}, map[string]Secret{"a": s}} {
			got := fmt.Sprintf(verb, value)
			if strings.Contains(got, "hunter2") || strings.Contains(got, "68756e74657232") {
				t.Errorf("%s of %T prints %s", verb, value, got)
			}
		}
	}
	got, err := json.Marshal(DDNS{Password: s})
	if want := `"Password":"[secret]"`; err != nil || !strings.Contains(string(got), want) {
		t.Errorf("got %s and %v, want %s in it", got, err, want)
	}
}

func TestASecretIsWhatWasPutIntoIt(t *testing.T) {
	for _, c := range []struct {
		in, printed string
		zero        bool
	}{
		{"hunter2", "[secret]", false},
		{"", "", true},
	} {
		s := NewSecret(c.in)
		if s.Reveal() != c.in || s.String() != c.printed || s.IsZero() != c.zero {
			t.Errorf("%q: got %q, %q, %v, want it back, %q, %v", c.in, s.Reveal(), s.String(), s.IsZero(), c.printed, c.zero)
		}
	}
	if !NewSecret("a").Equal(NewSecret("a")) || NewSecret("a").Equal(NewSecret("b")) {
		t.Error("secrets are not compared by their values")
	}
	if !NewSecret("").Equal(Secret{}) {
		t.Error("an empty secret is not the zero one")
	}
}

func TestSecretFiles(t *testing.T) {
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		want       string
		message    string
	}{
		{"the line end is dropped", "correct horse\n", 0o600, "correct horse", ""},
		{"of Windows too", "correct horse\r\n", 0o600, "correct horse", ""},
		{"spaces are kept", " correct horse ", 0o400, " correct horse ", ""},
		{"the group may not read it", "correct horse", 0o640, "", "FILE is open to other users (mode 0640)"},
		{"others may not write it", "correct horse", 0o602, "", "FILE is open to other users (mode 0602)"},
		{"not a whole disk", strings.Repeat("x", maxKeyFile+1), 0o600, "", "FILE is larger than 64 KiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := t.TempDir() + "/secret"
			write(t, path, c.text, c.mode)
			in := &reading{}
			got, p := in.secretFile(path)
			if message := strings.ReplaceAll(p.message, path, "FILE"); message != c.message {
				t.Fatalf("got message %q, want %q", message, c.message)
			}
			if c.message == "" && got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
