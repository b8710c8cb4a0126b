package peers

import (
	"testing"

	"berries/firstboot/host/hosttest"
)

// The interfaces of sysfs as kernels show them.
func TestVirtualInterfaces(t *testing.T) {
	dir := func(name string, files map[string]string) map[string]string {
		all := map[string]string{}
		for file, text := range files {
			all["/sys/class/net/"+name+"/"+file] = text
		}
		return all
	}
	tests := []struct {
		name  string
		files map[string]string // the index is 7
		want  bool
	}{
		{"Ethernet", map[string]string{"type": "1\n", "iflink": "7\n", "device/": ""}, false},
		{"Wi-Fi", map[string]string{"type": "1\n", "iflink": "7\n", "device/": "", "uevent": "DEVTYPE=wlan\n"}, false},
		{"a container's veth", map[string]string{"type": "1\n", "iflink": "12\n"}, false},
		{"a VLAN", map[string]string{"type": "1\n", "iflink": "2\n"}, false},
		{"Docker's bridge", map[string]string{"type": "1\n", "iflink": "7\n", "bridge/": ""}, true},
		{"Docker's end of a veth", map[string]string{"type": "1\n", "iflink": "12\n", "master": "-> ../docker0"}, true},
		{"a dummy", map[string]string{"type": "1\n", "iflink": "7\n"}, true},
		{"WireGuard", map[string]string{"type": "65534\n", "iflink": "7\n"}, true},
		{"a tap device", map[string]string{"type": "1\n", "iflink": "7\n", "tun_flags": "0x1002\n"}, true},
		{"a tunnel", map[string]string{"type": "776\n", "iflink": "0\n"}, true},
		{"one that went away", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := dir("if0", tt.files)
			if _, port := tt.files["master"]; port {
				files["/sys/class/net/docker0/"] = ""
			}
			h := hosttest.New(t, files)
			if got := virtual(h.Files, "if0", 7); got != tt.want {
				t.Errorf("virtual is %v, want %v", got, tt.want)
			}
		})
	}
}
