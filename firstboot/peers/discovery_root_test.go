//go:build root && linux

package peers

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// BenchmarkDiscovery starts many nodes on one LAN at once, and tells how long it takes
// until everyone knows everyone, what is sent until then, and what is sent a second
// by each of them afterwards. Group packets are those to everybody: mDNS, and ARP.
// All nodes are on this machine's processors.
func BenchmarkDiscovery(b *testing.B) {
	for _, count := range []int{3, 12, 48} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			for range b.N {
				discover(b, count)
			}
		})
	}
}

// manyNeighbours lets this machine's kernel know as many addresses as the nodes know
// together: all namespaces share one table of 1024 (arp(7), gc_thresh3), which 48
// nodes overflow.
func manyNeighbours(b *testing.B) {
	b.Helper()
	for _, version := range []string{"ipv4", "ipv6"} {
		file := "/proc/sys/net/" + version + "/neigh/default/gc_thresh3"
		before, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte("16384"), 0o644)
		}
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { os.WriteFile(file, before, 0o644) })
	}
}

func discover(b *testing.B, count int) {
	manyNeighbours(b)
	l := newLab(b)
	l.every = 300 * time.Millisecond
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("n%d", i+1))
		l.computer(names[i], fmt.Sprintf("10.88.0.%d", i+1))
	}
	var all []*member
	began := time.Now()
	for _, name := range names {
		all = append(all, l.start(name, names...))
	}
	b.ReportMetric(time.Since(began).Seconds(), "s-to-start")
	within(b, 5*time.Minute, fmt.Sprintf("%d nodes know each other", count), func() bool {
		return !slices.ContainsFunc(all, func(m *member) bool { return !m.knows(count - 1) })
	})
	b.ReportMetric(time.Since(began).Seconds(), "s-until-all-known")
	sent, group := l.packets()
	b.ReportMetric(float64(sent), "packets")
	b.ReportMetric(float64(group), "group-packets")

	used, began := cpu(all), time.Now()
	time.Sleep(30 * time.Second)
	later, laterGroup := l.packets()
	nodeSeconds := time.Since(began).Seconds() * float64(count)
	b.ReportMetric(float64(later-sent)/nodeSeconds, "packets/s/node")
	b.ReportMetric(float64(laterGroup-group)/nodeSeconds, "group-packets/s/node")
	b.ReportMetric((cpu(all)-used)/nodeSeconds*1000, "CPU-ms/s/node")
	b.ReportMetric(0, "ns/op") // means nothing here
}

// knows tells whether a member knows where so many others are.
func (m *member) knows(count int) bool {
	here := slices.DeleteFunc(slices.Clone(m.now().Peers), func(p Peer) bool { return len(p.Addresses) == 0 })
	return len(here) == count
}

// cpu is what members have used of the processor so far, seconds.
func cpu(all []*member) (sum float64) {
	for _, m := range all {
		sum += m.now().CPU
	}
	return sum
}

// packets counts what all computers have sent, and what of it went to all of them.
func (l *lab) packets() (sent, group int) {
	l.t.Helper()
	var links []struct {
		Name  string `json:"ifname"`
		Stats struct {
			RX struct {
				Packets int `json:"packets"`
			} `json:"rx"`
		} `json:"stats64"`
	}
	text := l.run("ip", "-n", l.prefix+"switch", "-s", "-json", "link", "show")
	if err := json.Unmarshal([]byte(text), &links); err != nil {
		l.t.Fatal(err)
	}
	for _, link := range links {
		switch link.Name {
		case "lo":
		case "br0":
			group = link.Stats.RX.Packets
		default:
			sent += link.Stats.RX.Packets
		}
	}
	return sent, group
}
