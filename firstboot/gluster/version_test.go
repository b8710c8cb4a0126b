package gluster

import (
	"testing"

	"berries/firstboot/host/hosttest"
)

func TestVersion(t *testing.T) {
	tests := []struct {
		name, stdout string
		want         Version
		fails        string
	}{
		{"bookworm's", sample(t, "recorded/version.txt"), Version{10, 3}, ""},
		{"a development build", "glusterfs 11.1.dev-12\nmore\n", Version{11, 1}, ""},
		{"nothing", "", Version{}, `gluster --mode=script --xml --version: it says "" instead of its version`},
		{"another program's", "gluster 1\n", Version{}, `gluster --mode=script --xml --version: it says "gluster 1" instead of its version`},
		{"a number beyond all bounds", "glusterfs 99999999999999999999.1\n", Version{},
			`gluster --mode=script --xml --version: "99999999999999999999.1" is not a version of GlusterFS`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.New(t, nil, hosttest.Exchange{Cmd: "gluster --mode=script --xml --version", Stdout: tt.stdout})
			got, err := Client{Runner: h.Runner}.Version(t.Context())
			if got != tt.want || message(err) != tt.fails {
				t.Errorf("got %v, %v; want %v, %s", got, err, tt.want, tt.fails)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestOperatingVersion(t *testing.T) {
	tests := []struct {
		release Version
		want    int
		fails   string
	}{
		{Version{10, 3}, 100000, ""},
		{Version{11, 1}, 110000, ""},
		{Version{9, 6}, 0, "GlusterFS 9.6 is too old: 10.0 is the first that is known here"},
	}
	for _, tt := range tests {
		got, err := tt.release.OperatingVersion()
		if got != tt.want || message(err) != tt.fails {
			t.Errorf("%s: got %d, %v; want %d, %s", tt.release, got, err, tt.want, tt.fails)
		}
	}
}
