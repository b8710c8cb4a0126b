package stages

import (
	"context"
	"fmt"
	"path"
	"strings"

	"berries/builder/disk"
	"berries/builder/etc"
	"berries/builder/plan"
)

// uninitialized is what a machine-id holds for the first boot to be the first:
// ConditionFirstBoot= depends on it (machine-id(5)).
const uninitialized = "uninitialized\n"

// edited are the base's own files with our changes in them. Each keeps its mode
// and owner.
func (img *image) edited(context.Context, *disk.Ext4) ([]item, error) {
	base := img.base
	mounts, err := etc.Fstab(string(base.files[fstab]), img.Signature.String(), img.mounts())
	if err != nil {
		return nil, err
	}
	list := []item{
		base.edit(fstab, mounts),
		base.edit(hosts, etc.Hosts(string(base.files[hosts]), img.Hostname)),
		base.edit(machineID, uninitialized),
	}
	accounts, err := img.accounts()
	if err != nil {
		return nil, err
	}
	for i, text := range accounts {
		if path := accountFiles[i]; base.has(path) {
			it := base.edit(path, text)
			it.secret = it.Mode&0o004 == 0 // shadow and gshadow hold password hashes
			list = append(list, it)
		}
	}
	return list, nil
}

// edit is an item that replaces a file of the base, or a new one of root's.
func (b *base) edit(path, text string) item {
	e := disk.Entry{Path: path, Mode: 0o644, Data: []byte(text)}
	if info, ok := b.info[path]; ok {
		e.Mode, e.UID, e.GID = info.Mode, info.UID, info.GID
	}
	return item{Entry: e}
}

// mounts are our lines of fstab. A card without a readable brick must still come
// up to say so: nofail. Nothing of the system waits for such a mount any more
// (systemd.mount(5)); berry-firstboot does, and finds it as it will be.
func (img *image) mounts() []etc.Mount {
	if img.Brick == nil {
		return nil
	}
	return []etc.Mount{{
		Device:  "LABEL=" + img.Brick.Label,
		Dir:     img.Brick.Mount,
		Type:    "ext4",
		Options: "defaults,noatime,nofail,x-systemd.device-timeout=90s,x-systemd.before=berry-firstboot.service",
		Pass:    2,
	}}
}

// accounts are the account files, in the order of accountFiles, with the
// profile's user in them.
func (img *image) accounts() ([]string, error) {
	text := func(i int) string { return string(img.base.files[accountFiles[i]]) }
	old := etc.Accounts{Passwd: text(0), Shadow: text(1), Group: text(2), Gshadow: text(3), Subuid: text(4), Subgid: text(5)}
	a, _, err := old.SetUser(img.User.Name, plan.UserID, img.User.PasswordHash.Reveal())
	return []string{a.Passwd, a.Shadow, a.Group, a.Gshadow, a.Subuid, a.Subgid}, err
}

// home makes the user's home from /etc/skel where the base has none to rename.
func (img *image) home(ctx context.Context, root *disk.Ext4) ([]item, error) {
	if img.base.user != "" {
		return nil, nil
	}
	home := "/home/" + img.User.Name
	list := []item{{Entry: disk.Entry{Path: home, Kind: disk.Dir, Mode: 0o755, UID: plan.UserID, GID: plan.UserID}}}
	names, err := root.List(ctx, "/etc/skel")
	if err != nil {
		return nil, fmt.Errorf("cannot make %s: %w", home, err)
	}
	var paths []string
	for _, n := range names {
		paths = append(paths, "/etc/skel/"+n)
	}
	skel, err := root.ReadFiles(ctx, paths...)
	if err != nil {
		return nil, fmt.Errorf("cannot make %s: %w", home, err)
	}
	for _, p := range paths {
		list = append(list, item{Entry: disk.Entry{
			Path: home + "/" + path.Base(p), Mode: 0o644, UID: plan.UserID, GID: plan.UserID, Data: skel[p]}})
	}
	return list, nil
}

// radioDir is where systemd-rfkill keeps which radios are blocked.
const radioDir = "/var/lib/systemd/rfkill"

// radio unblocks the wireless devices that pi-gen blocks while no country is
// set, by the state systemd-rfkill restores at boot.
func (img *image) radio(ctx context.Context, root *disk.Ext4) ([]item, error) {
	if !img.Unblock {
		return nil, nil
	}
	found, err := root.Stat(ctx, radioDir)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	names, err := root.List(ctx, radioDir)
	if err != nil {
		return nil, err
	}
	var list []item
	for _, n := range names {
		if strings.HasSuffix(n, ":wlan") {
			list = append(list, item{Entry: disk.Entry{Path: radioDir + "/" + n, Mode: 0o644, Data: []byte("0\n")}})
		}
	}
	return list, nil
}
