package status

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// BootPath is where a person finds, on any PC, how the node of a card stands: on the FAT
// partition that the board boots from.
const BootPath = bootDir + "/" + BootName

// BootName is the name that it has there.
const BootName = "berry-status.txt"

const (
	bootDir = "/boot/firmware"
	// bootSize is the size of the file in bytes, whatever it says: it is overwritten in
	// its own place. Raspberry Pi OS has clusters of 2 KiB there, so it is in one.
	bootSize = 2 << 10
	// bootWords is how much of it may be where the node stands.
	bootWords     = 1000
	bootAddresses = 6
	since         = "Since:     "
)

// BootText is what berry-status.txt says.
type BootText struct {
	Who       string // such as "cluster01, storage node of berries"
	Words     string // where it stands, in the words of the console
	Urgent    bool   // they are written at once
	Hopeless  bool   // only another image will help
	Ready     bool
	Addresses []netip.Addr
}

// lines are what is to be said, without the time.
func (b BootText) lines() []string {
	var addresses []string
	for _, a := range b.reached() {
		addresses = append(addresses, a.String())
	}
	return []string{
		b.Who,
		"",
		"State:     " + plain(b.Words),
		"Addresses: " + cmp.Or(strings.Join(addresses, ", "), "none"),
		since,
		"",
		"What to do: " + b.advice(),
	}
}

// reached are the addresses that a router, or the profile, has given the node. Others it
// has of itself, and also where there is no network.
func (b BootText) reached() []netip.Addr {
	list := slices.DeleteFunc(slices.Clone(b.Addresses), netip.Addr.IsLinkLocalUnicast)
	return list[:min(len(list), bootAddresses)]
}

// advice is what a person can do about it who has nothing but the card.
func (b BootText) advice() string {
	switch {
	case b.Hopeless:
		return "build the image again with berry build, and flash this card with it."
	case len(b.reached()) == 0:
		return "the node has no network. Look at its cable; without one, at the wifi of the profile. Is the router on?"
	case b.Ready:
		return "nothing. More is said by: berry-firstboot status, typed on the node."
	}
	return "nothing, where it waits for something that is to come: it goes on by itself, and tries again what has failed. " +
		"If that stays so, look after what it says above. More is said by: sudo journalctl -u berry-firstboot, typed on the node."
}

// file is the file as a whole: plain text for any editor of any PC, filled up with lines
// of blanks.
func (b BootText) file(now time.Time) []byte {
	lines := b.lines()
	for i, line := range lines {
		if line == since {
			lines[i] += now.Local().Format(time.DateTime) + " by the node's clock, which is wrong until it has found a network"
		}
	}
	return sized(lines)
}

// Unstarted is the file on a card with which no node has come as far as berry-firstboot,
// as the builder makes it: then no node ever has to make room for it.
func Unstarted(who string) []byte {
	return sized([]string{
		who,
		"",
		"State:     berry-firstboot has not started with this card yet",
		"",
		"What to do: put the card into its board, and switch that on. If it was in: look at the power supply, at what a screen says, and try another card.",
	})
}

// sized is a file of these lines, of the size that it always has.
func sized(lines []string) []byte {
	text := strings.Join(lines, "\r\n") + "\r\n"
	blank := strings.Repeat(" ", 78) + "\r\n"
	room := max(0, bootSize-len(text)-2)
	text += strings.Repeat(blank, room/len(blank)) + strings.Repeat(" ", room%len(blank)) + "\r\n"
	return []byte(text[:bootSize])
}

// says tells whether a file says the same as this one, from whatever time on.
func (b BootText) says(file string) bool {
	for _, line := range b.lines() {
		said, rest, _ := strings.Cut(file, "\r\n")
		if said != line && (line != since || !strings.HasPrefix(said, since)) {
			return false
		}
		file = rest
	}
	return true
}

// plain is a text in ASCII and of a length that fits.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(text) > bootWords {
		text = text[:bootWords] + " ..."
	}
	return text
}
