#!/bin/busybox sh
# The stand-in's initramfs: finds root=PARTUUID=…, mounts it and starts its
# init. Checking the filesystem is left to systemd-fsck-root.service.
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1

while read -r module; do
	insmod "/modules/$module" || echo "initrd: cannot load $module"
done </modules/order

root= rootflags= init=/sbin/init rw=ro
for word in $(cat /proc/cmdline); do
	case $word in
	root=*) root=${word#root=} ;;
	rootflags=*) rootflags=${word#rootflags=}, ;;
	init=*) init=${word#init=} ;;
	rw) rw=rw ;;
	esac
done

# device prints the node of the partition called $1, which is the disk's MBR
# signature and the partition's number: 1a2b3c4d-02.
device() {
	for part in /sys/class/block/*/partition; do
		[ -e "$part" ] || continue
		dir=$(realpath "${part%/partition}")
		id=$(dd if="/dev/$(basename "$(dirname "$dir")")" bs=1 skip=440 count=4 2>/dev/null |
			hexdump -e '1/4 "%08x"')
		[ "$id-$(printf %02d "$(cat "$part")")" = "$1" ] && basename "$dir" && return
	done
	return 1
}

name=${root#PARTUUID=}
[ "$name" != "$root" ] || { echo "ALERT! root=$root is not a PARTUUID"; poweroff -f; }
tries=0
until node=$(device "$name"); do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || { echo "ALERT! $root does not exist"; poweroff -f; }
	sleep 0.2
done

mount -t ext4 -o "$rootflags$rw" "/dev/$node" /root || { echo "ALERT! cannot mount $root (/dev/$node)"; poweroff -f; }
[ -x "/root$init" ] || [ -L "/root$init" ] || { echo "initrd: $init is not there, starting /sbin/init"; init=/sbin/init; }
for dir in dev sys proc; do
	mount -o move "/$dir" "/root/$dir"
done
exec switch_root /root "$init"
