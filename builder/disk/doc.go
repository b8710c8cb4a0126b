// Package disk is the bytes of an image file: its partition table, the FAT32
// boot partition, the ext4 root and brick, sparse copies and block maps. It
// knows nothing of clusters and profiles.
//
// Data flow: a base image is copied (Copy), its table is read and rewritten
// (ReadTable, WriteTable), files are written into the boot partition (OpenFAT)
// and into the root filesystem (FindTools, Tools.OpenExt4), an empty brick is
// made (Tools.MakeBrick), everything is checked (CheckFAT, Ext4.Check), and a
// block map says which blocks a card needs (Mapped, MakeBmap).
//
// All of it works on plain files as an ordinary user: no root, no loop devices,
// no mounts. Only e2fsprogs is an outside program; the FAT is written by
// go-diskfs, and whatever another program or library wrote is read back by
// other code before it counts as written. The same input and the same given
// time make the same bytes.
//
// An edit that fails half-way leaves the image unusable. The caller works on a
// copy that gets its final name only when everything is done.
package disk
