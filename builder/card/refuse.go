package card

import (
	"fmt"
	"strings"

	"berries/builder/progress"
	"berries/firstboot/host"
)

// Refusal is a device that must not be written, and the way out.
type Refusal struct{ Reason, Hint string }

func (r *Refusal) Error() string { return r.Reason }

// Allow is what a person has said yes to by a flag.
type Allow struct {
	Large bool // more than largest
	Fixed bool // not removable
}

// largest is the size from which on a disk is likelier to be somebody's data than a
// card: cards that are sold as 256 GB have a little more than that.
const largest = 260e9

// Refuse says why an image of size bytes must not be written on a device; nil when
// it may.
func Refuse(d Device, size int64, allow Allow) error {
	for _, refusal := range []func(Device, int64, Allow) *Refusal{
		system, held, mounted, empty, readOnly, sectors, fixed, large, small} {
		if r := refusal(d, size, allow); r != nil {
			return r
		}
	}
	return nil
}

const look = "berry flash --list shows the cards"

func system(d Device, _ int64, _ Allow) *Refusal {
	if len(d.System) == 0 {
		return nil
	}
	return &Refusal{fmt.Sprintf("%s is a disk of this system (%s)", d.Path, strings.Join(d.System, ", ")), look}
}

func held(d Device, _ int64, _ Allow) *Refusal {
	if len(d.Held) == 0 {
		return nil
	}
	return &Refusal{fmt.Sprintf("%s is part of %s", d.Path, strings.Join(d.Held, ", ")),
		"lsblk " + d.Path + " shows what is built on it; take that apart (vgchange -an, cryptsetup close, mdadm --stop), or choose another card"}
}

func mounted(d Device, _ int64, _ Allow) *Refusal {
	if len(d.Mounted) == 0 {
		return nil
	}
	return &Refusal{fmt.Sprintf("%s is mounted at %s", d.Path, strings.Join(d.Mounted, " and ")),
		host.Command("umount", d.Mounted...).String()}
}

func empty(d Device, _ int64, _ Allow) *Refusal {
	if d.Size > 0 {
		return nil
	}
	return &Refusal{fmt.Sprintf("%s has no card in it", d.Path), "put one in, or see what there is: berry flash --list"}
}

func readOnly(d Device, _ int64, _ Allow) *Refusal {
	if !d.ReadOnly {
		return nil
	}
	return &Refusal{fmt.Sprintf("%s takes no writes", d.Path), "move the lock at the side of the card, or of its adapter; a worn-out card locks itself for good"}
}

// sectors: a partition table counts in sectors, and that of an image in those of cards.
func sectors(d Device, _ int64, _ Allow) *Refusal {
	if d.Sector == sector {
		return nil
	}
	return &Refusal{fmt.Sprintf("%s has sectors of %d bytes, and images are made for %d", d.Path, d.Sector, sector), "use another card or another reader"}
}

func fixed(d Device, _ int64, allow Allow) *Refusal {
	if d.Removable || allow.Fixed {
		return nil
	}
	return &Refusal{fmt.Sprintf("%s (%s) is not removable", d.Path, d.What()), "if it is the right one: --allow-fixed"}
}

func large(d Device, _ int64, allow Allow) *Refusal {
	if d.Size <= largest || allow.Large {
		return nil
	}
	return &Refusal{fmt.Sprintf("%s (%s) is larger than 256 GB", d.Path, d.What()), "if it is the right one: --allow-large"}
}

func small(d Device, size int64, _ Allow) *Refusal {
	if d.Size >= size {
		return nil
	}
	return &Refusal{fmt.Sprintf("%s has %s, and the image needs %s", d.Path, progress.Bytes(d.Size), progress.Bytes(size)),
		"use a larger card, or a smaller root_size in the profile"}
}

func notADevice(path string) *Refusal {
	return &Refusal{path + " is not a block device", look}
}

func notThere(path string) *Refusal {
	return &Refusal{path + " is not there", look}
}

func partitionOf(path, disk string) *Refusal {
	return &Refusal{fmt.Sprintf("%s is one partition of %s, and an image goes onto the whole card", path, disk), "give " + disk}
}

func inUse(path string) *Refusal {
	return &Refusal{path + " is in use by this system or another program", "lsblk " + path + " and fuser -v " + path + " show by what; close that, or choose another card"}
}

func changed(path string) *Refusal {
	return &Refusal{path + " is another card than a moment ago", look}
}
