//go:build lab

package strangers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"berries/firstboot/peers"
)

const actFlood = "flood"

const (
	floodCount = 1000 // announcements, again and again
	// floodMemory is how much larger a node's berry-firstboot may become by it, KiB.
	floodMemory = 8 << 10
)

// floods has a member move while others hear a thousand announcements, over and over.
func floods(t *testing.T, l lan) {
	before := map[string]int{}
	for _, name := range early {
		before[name] = memory(t, l, name)
	}
	run(t, l.stranger, again(t, actFlood, l.secrets.id))
	time.Sleep(12 * time.Second) // everybody browses again within ten
	moved, err := l.Renumber(t.Context(), early[1])
	if err != nil {
		t.Fatal(err)
	}
	// Ten seconds, and what DHCP takes.
	within(t, 13*time.Second, early[0]+" knows where "+early[1]+" has moved to", func() bool {
		return hosts(t, l.Lab, early[0])[early[1]] == moved.String()
	})
	for _, name := range early {
		after := memory(t, l, name)
		t.Logf("berry-firstboot of %s has %d KiB, before the flood %d KiB", name, after, before[name])
		if after > before[name]+floodMemory {
			t.Errorf("berry-firstboot of %s has grown from %d KiB to %d KiB", name, before[name], after)
		}
		if at := hosts(t, l.Lab, name); len(at) != len(all()) {
			t.Errorf("%s knows the nodes %v, want %v", name, at, all())
		}
	}
}

// memory is what a node's berry-firstboot has in memory, KiB.
func memory(t *testing.T, l lan, name string) int {
	t.Helper()
	text := ask(t, l.Lab, name, "sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$(systemctl show -P MainPID berry-firstboot)/status")
	kib, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// flood is the program of the one who floods the LAN: one announcement a millisecond,
// those that make sense from names and addresses that nobody has.
func flood(context.Context) error {
	cluster, err := told[string]()
	if err != nil {
		return err
	}
	conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
	if err != nil {
		return err
	}
	good := []string{"cluster=" + cluster, fmt.Sprintf("protocol=%d", peers.Protocol), "role=storage"}
	for n := 0; ; n++ {
		for _, m := range malformed(good, n) {
			if _, err := conn.Write(m); err != nil {
				return err
			}
		}
		name := fmt.Sprintf("ghost%d", n%floodCount)
		if n%4 == 0 {
			name = []string{"cluster01", "cluster02", "cluster03"}[n/4%3]
		}
		m, err := announcement(name, nowhere(n), peers.Port+n%floodCount, good...).Pack()
		if err != nil {
			return err
		}
		if _, err := conn.Write(m); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// nowhere are as many addresses that nobody has as a node takes of one announcement:
// each keeps whoever asks there waiting.
func nowhere(n int) []netip.Addr {
	var list []netip.Addr
	for i := range 16 {
		list = append(list, inLAN(byte(110+(16*n+i)%80)))
	}
	return list
}

// announcement is what somebody says of himself by mDNS.
func announcement(name string, at []netip.Addr, port int, text ...string) *dns.Msg {
	const service, ttl = "_berry-cluster._tcp.local.", 120
	instance, server := name+"."+service, name+"-x.local."
	head := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
	}
	m := &dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Authoritative: true}, Compress: true}
	m.Answer = []dns.RR{
		&dns.PTR{Hdr: head(service, dns.TypePTR), Ptr: instance},
		&dns.SRV{Hdr: head(instance, dns.TypeSRV), Port: uint16(port), Target: server},
		&dns.TXT{Hdr: head(instance, dns.TypeTXT), Txt: text},
	}
	for _, a := range at {
		m.Answer = append(m.Answer, &dns.A{Hdr: head(server, dns.TypeA), A: a.AsSlice()})
	}
	return m
}

// malformed are announcements number n that no node may make anything of, nor be
// harmed by.
func malformed(good []string, n int) [][]byte {
	one := func(a string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(a)} }
	free := []netip.Addr{inLAN(251)}
	odd := []*dns.Msg{
		announcement("cluster01", free, peers.Port),
		announcement("cluster01", free, peers.Port, ""),
		announcement("cluster01", free, peers.Port, "cluster", "protocol"),
		announcement("cluster01", free, peers.Port, good[0], "protocol=99999999999999999999"),
		announcement("cluster01", free, peers.Port, strings.Repeat("=", 255), strings.Repeat("x", 255)),
		announcement("cluster01", free, peers.Port, "\\255\\254\\000", good[0]),
		announcement("cluster01", one("0.0.0.0"), peers.Port, good...),
		announcement("cluster01", one("255.255.255.255"), peers.Port, good...),
		announcement("cluster01", one("127.0.0.1"), peers.Port, good...),
		announcement("cluster01", free, 0, good...),
		announcement(`a\032b`, free, peers.Port, good...),
		announcement(`\.\./etc/passwd`, free, peers.Port, good...),
		announcement("cluster01\\010evil", free, peers.Port, good...),
	}
	m, err := odd[n%len(odd)].Pack()
	if err != nil {
		panic(err) // a mistake of the test's
	}
	return [][]byte{m, m[:rand.IntN(len(m))]}
}
