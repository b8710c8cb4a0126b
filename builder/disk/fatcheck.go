package disk

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// CheckFAT judges the FAT32 filesystem of partition p, so that an image can be
// verified where fsck.vfat is absent. It reads everything but the files'
// content and returns the first thing wrong: FATs that differ, a wrong
// free-space count, chains that cross, lead nowhere or belong to no file, files
// with more or fewer clusters than their size needs, a name that is there
// twice.
func CheckFAT(image string, p Partition) error {
	f, err := os.Open(image)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := readVolume(f, p)
	if err == nil {
		err = v.check()
	}
	if err != nil {
		return fmt.Errorf("the FAT filesystem of partition %d of %s is damaged: %w", p.Number, image, err)
	}
	return nil
}

func (v *volume) check() error {
	if v.dirty() {
		return errors.New("it was not unmounted cleanly")
	}
	if !v.fatsEqual() {
		return errors.New("its two FATs differ")
	}
	owned := make([]bool, len(v.fat))
	if err := v.claim(owned, root); err != nil {
		return err
	}
	if err := v.checkDir(owned, root, 0); err != nil {
		return err
	}
	for c := 2; c < len(v.fat); c++ {
		if v.fat[c] != 0 && v.fat[c] != fatBad && !owned[c] {
			return fmt.Errorf("cluster %d is in use but belongs to no file", c)
		}
	}
	return v.checkFreeCount()
}

// claim takes the clusters of a file or folder as its own.
func (v *volume) claim(owned []bool, e dirEntry) error {
	if e.cluster == 0 && e.size == 0 && !e.isDir() {
		return nil
	}
	chain, err := v.chain(e.cluster)
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	for _, c := range chain {
		if owned[c] {
			return fmt.Errorf("%s: cluster %d belongs to another file too", e.name, c)
		}
		owned[c] = true
	}
	if need := (int64(e.size) + v.cluster - 1) / v.cluster; !e.isDir() && need != int64(len(chain)) {
		return fmt.Errorf("%s: %d bytes want %d clusters, and it has %d", e.name, e.size, need, len(chain))
	}
	return nil
}

// checkDir checks a folder and all below it. Parent is the first cluster of the
// folder above as ".." names it: 0 for the root.
func (v *volume) checkDir(owned []bool, dir dirEntry, parent uint32) error {
	entries, err := v.readDir(dir.cluster)
	if err != nil {
		return fmt.Errorf("%s: %w", dir.name, err)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		short := strings.ToUpper(e.short)
		switch {
		case e.attr&attrLabel != 0:
			continue
		case seen[short]:
			return fmt.Errorf("%s: the short name %s is there twice", dir.name, e.short)
		case e.short == "." && e.cluster != dir.cluster, e.short == ".." && e.cluster != parent:
			return fmt.Errorf("%s: its entry %q leads to cluster %d", dir.name, e.short, e.cluster)
		}
		seen[short] = true
		if e.short == "." || e.short == ".." {
			continue
		}
		if err := v.claim(owned, e); err != nil {
			return err
		}
		if e.isDir() {
			if err := v.checkDir(owned, e, dotdot(dir)); err != nil {
				return err
			}
		}
	}
	return nil
}

// dotdot is what ".." says in a folder whose parent is dir.
func dotdot(dir dirEntry) uint32 {
	if dir.cluster == rootCluster {
		return 0
	}
	return dir.cluster
}

// checkFreeCount judges the FSInfo sector. Its copy does not matter: neither
// Linux nor fsck.vfat ever looks at it or keeps it up to date.
func (v *volume) checkFreeCount() error {
	count, ok, err := v.freeCount(v.fsInfo)
	if err != nil {
		return err
	}
	if free := v.free(); ok && count != infoUnknown && count != free {
		return fmt.Errorf("it says that %d clusters are free, and %d are", count, free)
	}
	return nil
}
