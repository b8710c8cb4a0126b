package peers

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"berries/firstboot/host"
)

// Link is a network interface that other nodes may be reached by.
type Link struct {
	Name      string
	Index     int
	Carrier   bool         // a cable is in, or a wireless network joined
	Addresses []netip.Addr // without zones, IPv4 first
}

func (l Link) equal(m Link) bool {
	return l.Name == m.Name && l.Index == m.Index && l.Carrier == m.Carrier && slices.Equal(l.Addresses, m.Addresses)
}

// links are the interfaces that are up and not virtual, with their addresses.
func (n lan) links() ([]Link, error) {
	return linksBut(func(i net.Interface) bool { return virtual(n.files, i.Name, i.Index) })
}

// linksBut are the interfaces that are up, but for some, with their addresses.
func linksBut(without func(net.Interface) bool) ([]Link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []Link
	for _, i := range all {
		const wanted, unwanted = net.FlagUp | net.FlagMulticast, net.FlagLoopback | net.FlagPointToPoint
		if i.Flags&wanted != wanted || i.Flags&unwanted != 0 || without(i) {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it went away just now
		}
		l := Link{Name: i.Name, Index: i.Index, Carrier: i.Flags&net.FlagRunning != 0}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLoopback() {
				l.Addresses = append(l.Addresses, p.Addr().Unmap())
			}
		}
		slices.SortFunc(l.Addresses, netip.Addr.Compare)
		list = append(list, l)
	}
	return list, nil
}

// virtual tells whether an interface leads to no network outside: a bridge and its
// ports, as Docker makes them, tunnels, WireGuard, dummies. What counts is Ethernet
// or Wi-Fi on hardware, or upon another interface: a VLAN, or the end of a veth pair
// that a container has for its network (iflink in sysfs-class-net).
func virtual(files *host.Files, name string, index int) bool {
	dir := "/sys/class/net/" + name + "/"
	const ethernet = "1" // ARPHRD_ETHER; Wi-Fi has it, too
	if read(files, dir+"type") != ethernet || files.Exists(dir+"master") {
		return true
	}
	upon := read(files, dir+"iflink")
	return !files.Exists(dir+"device") && (upon == "0" || upon == strconv.Itoa(index))
}

// read is the content of a file of sysfs, "" where there is none.
func read(files *host.Files, name string) string {
	text, _ := files.Read(name)
	return strings.TrimSpace(string(text))
}
