package pack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// newSplicer looks whether blocks can be copied from the base's own file, and makes
// sure that they are what was unpacked.
func (p *Packer) newSplicer(ctx context.Context) (*splicer, error) {
	s := &splicer{run: p.Runner, check: 0x04, level: usual, known: map[[sha256.Size]byte]segment{}}
	why, err := p.openBase(s)
	if err != nil {
		return nil, err
	}
	if why != "" {
		if p.Log != nil {
			p.Log(why + ": every block is packed anew, which takes some minutes")
		}
		return s, nil
	}
	s.check, s.level = s.base.check, quick
	return s, p.checkBase(ctx, s.packed)
}

// openBase opens the base's file and what was unpacked from it, or says why its blocks
// cannot be used.
func (p *Packer) openBase(s *splicer) (why string, err error) {
	if p.Base.Packed == "" {
		return "the base did not come packed with xz", nil
	}
	if s.packed, err = os.Open(p.Base.Packed); err != nil {
		return "", err
	}
	p.files = append(p.files, s.packed)
	if s.raw, err = os.Open(p.Base.Raw); err != nil {
		return "", err
	}
	p.files = append(p.files, s.raw)
	packed, err := s.packed.Stat()
	if err != nil {
		return "", err
	}
	raw, err := s.raw.Stat()
	if err != nil {
		return "", err
	}
	base, err := readContainer(s.packed, packed.Size())
	switch {
	case err != nil:
		return fmt.Sprintf("the blocks of %s cannot be used (%v)", filepath.Base(p.Base.Packed), err), nil
	case base.size() != raw.Size():
		return fmt.Sprintf("%s is not what the base was unpacked from", filepath.Base(p.Base.Packed)), nil
	case len(base.blocks) < 2:
		return fmt.Sprintf("%s is packed as one block", filepath.Base(p.Base.Packed)), nil
	}
	s.base = base
	return "", nil
}

// checkBase reads the base's file: its blocks go into images as they are, and nobody
// would notice before a card is written that the disk has damaged one.
func (p *Packer) checkBase(ctx context.Context, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	task := p.Progress.Start("check "+filepath.Base(f.Name()), info.Size())
	defer task.Done()
	h := sha256.New()
	for at := int64(0); at < info.Size(); at += pieceSize {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, err := io.Copy(h, io.NewSectionReader(f, at, pieceSize))
		if err != nil {
			return err
		}
		task.Add(n)
	}
	if have := hex.EncodeToString(h.Sum(nil)); have != p.Base.SHA256 {
		return fmt.Errorf("%s, which the base came from, was damaged since: its SHA-256 is %s, and was %s; remove it, and build again", f.Name(), have, p.Base.SHA256)
	}
	return nil
}
