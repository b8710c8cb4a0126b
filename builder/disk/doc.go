// Package disk is the bytes of an image file: partition table, FAT32, ext4,
// sparse copies and block maps. It knows nothing of clusters and profiles.
package disk

// Range is a run of bytes of an image.
type Range struct {
	Start int64 // first byte
	End   int64 // first byte after it
}
