package node

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func storage() File {
	return File{
		Version: Version, Cluster: "berries", Name: "cluster01", Role: Storage,
		TimeZone: "Europe/Berlin", Locale: "en_GB.UTF-8",
		Brick: &Brick{Label: "berry-brick", Mount: "/export", Dir: "/export/brick", Size: 32 << 30},
	}
}

const storageText = `{
  "version": 1,
  "cluster": "berries",
  "name": "cluster01",
  "role": "storage",
  "time_zone": "Europe/Berlin",
  "locale": "en_GB.UTF-8",
  "brick": {
    "label": "berry-brick",
    "mount": "/export",
    "dir": "/export/brick",
    "size": 34359738368
  }
}
`

const balancerText = `{"version": 1, "cluster": "berries", "name": "lb", "role": "balancer", "time_zone": "Etc/UTC", "locale": "C.UTF-8"}`

func TestEncodeGivesTheDocumentedText(t *testing.T) {
	got, err := Encode(storage())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(storageText, string(got)); diff != "" {
		t.Errorf("node file (-want +got):\n%s", diff)
	}
}

func TestReadGivesWhatWasEncoded(t *testing.T) {
	balancer := File{Version: Version, Cluster: "berries", Name: "lb", Role: Balancer, TimeZone: "Etc/UTC", Locale: "C.UTF-8"}
	for text, want := range map[string]File{storageText: storage(), balancerText: balancer} {
		got, err := Read(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(storageText, old) {
			t.Fatalf("nothing to replace: %s", old)
		}
		return strings.Replace(storageText, old, new, 1)
	}
	tests := []struct{ name, text, want string }{
		{"nothing", "", "it is not a JSON object"},
		{"a list", "[]", "it is not a JSON object"},
		{"half a file", storageText[:100], "it breaks off before its end"},
		{"text that is not JSON", edit(`"berries",`, `"berries";`), "it is not JSON: invalid character ';' after object key:value pair"},
		{"text after the object", storageText + "{}", "there is more text after the object"},
		{"an unknown field", edit(`"cluster"`, `"colour": "red", "cluster"`), `unknown field "colour"`},
		{"a field in another case", edit(`"cluster"`, `"Cluster"`), `unknown field "Cluster"`},
		{"a missing field", edit(`"name": "cluster01",`, ``), `the field "name" is missing`},
		{"a field given twice", edit(`"cluster"`, `"cluster": "x", "cluster"`), `the field "cluster" is given twice`},
		{"null", edit(`"berries"`, `null`), `the field "cluster" is null`},
		{"a number for a name", edit(`"berries"`, `7`), `the field "cluster" is a number, want string`},
		{"a later version", edit(`1`, `2`), "its version is 2, want 1; build the image and berry-firstboot with the same berry"},
		{"a later version with a new field", edit(`1,`, `2, "wings": 4,`), "its version is 2, want 1; build the image and berry-firstboot with the same berry"},
		{"no version", edit(`"version": 1,`, ``), `the field "version" is missing`},
		{"a version in words", edit(`1`, `"one"`), `the field "version" is not a whole number`},
		{"an unknown field of the brick", edit(`"label"`, `"colour": "red", "label"`), `brick: unknown field "colour"`},
		{"a missing field of the brick", edit(",\n    \"size\": 34359738368", ""), `brick: the field "size" is missing`},
		{"null in the brick", edit(`34359738368`, `null`), `brick: the field "size" is null`},
		{"a size in words", edit(`34359738368`, `"32G"`), `the field "brick.size" is a string, want int64`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(tt.text))
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if diff := cmp.Diff(File{}, got); diff != "" {
				t.Errorf("the file is not empty beside the error:\n%s", diff)
			}
		})
	}
}

func TestReadRefusesAVeryLongFile(t *testing.T) {
	_, err := Read(strings.NewReader(storageText + strings.Repeat(" ", maxSize)))
	if want := "it is longer than 1048576 bytes"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestEncodeRefusesWhatIsNotValid(t *testing.T) {
	tests := []struct {
		name string
		edit func(*File)
		want string
	}{
		{"the zero version", func(f *File) { f.Version = 0 }, "version is 0, want 1"},
		{"a cluster with a space", func(f *File) { f.Cluster = "my berries" }, `cluster "my berries" is not`},
		{"a name with a dot", func(f *File) { f.Name = "cluster01.lan" }, `name "cluster01.lan" is not a host name`},
		{"a name of 64 letters", func(f *File) { f.Name = strings.Repeat("a", 64) }, `is not a host name`},
		{"an unknown role", func(f *File) { f.Role = "captain" }, `role "captain" is none of`},
		{"a zone outside the zone folder", func(f *File) { f.TimeZone = "../../etc/shadow" }, `time_zone "../../etc/shadow" is not`},
		{"a zone with an absolute path", func(f *File) { f.TimeZone = "/etc/shadow" }, `time_zone "/etc/shadow" is not`},
		{"a locale that is not UTF-8", func(f *File) { f.Locale = "de_DE" }, `locale "de_DE" is not`},
		{"a locale with a newline", func(f *File) { f.Locale = "de_DE.UTF-8\nX=Y" }, `is not a UTF-8 locale`},
		{"a balancer with a brick", func(f *File) { f.Role = Balancer }, "a balancer holds no brick"},
		{"a remote without a brick", func(f *File) { f.Role, f.Brick = Remote, nil }, "a remote node needs a brick"},
		{"a label longer than ext4 has room for", func(f *File) { f.Brick.Label = strings.Repeat("b", 17) }, "brick: label"},
		{"the root as mount point", func(f *File) { f.Brick.Mount = "/" }, `brick: mount "/" is not`},
		{"a mount point with dots", func(f *File) { f.Brick.Mount = "/export/.." }, `brick: mount "/export/.." is not`},
		{"a brick beside its mount", func(f *File) { f.Brick.Dir = "/exports/brick" }, "brick: dir /exports/brick is not below mount /export"},
		{"the mount itself as brick", func(f *File) { f.Brick.Dir = "/export" }, "brick: dir /export is not below mount /export"},
		{"a negative size", func(f *File) { f.Brick.Size = -1 }, "brick: size is -1, which is less than nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := storage()
			tt.edit(&f)
			_, err := Encode(f)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.json", storageText, 0o600)
	got, err := ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(storage(), got); diff != "" {
		t.Errorf("node file (-want +got):\n%s", diff)
	}
	open := write("open.json", storageText, 0o644)
	broken := write("broken.json", "{", 0o600)
	missing := filepath.Join(dir, "missing.json")
	for path, want := range map[string]string{
		open:    "its mode is -rw-r--r--, want -rw-------; type: chmod 600 " + open,
		broken:  "it breaks off before its end",
		missing: "no such file or directory",
	} {
		if _, err := ReadFile(path); err == nil || err.Error() != "node file "+path+": "+want {
			t.Errorf("error %v, want node file %s: %s", err, path, want)
		}
	}
}

// FuzzRead holds that no text makes Read panic, and that whatever it accepts
// comes back the same from Encode.
func FuzzRead(f *testing.F) {
	f.Add([]byte(storageText))
	f.Add([]byte(balancerText))
	f.Add([]byte(`{"version":1,"brick":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		again, err := Encode(got)
		if err != nil {
			t.Fatalf("Read accepts what Encode refuses: %v", err)
		}
		back, err := Decode(again)
		if err != nil {
			t.Fatalf("Decode refuses what Encode wrote: %v", err)
		}
		if diff := cmp.Diff(got, back); diff != "" {
			t.Errorf("not the same after Encode and Decode:\n%s", diff)
		}
	})
}
