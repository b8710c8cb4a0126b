package georep

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// memberShape is the name of a file in a volume that is mounted for gsyncd: it goes by
// the file's id, and leads nowhere else.
var memberShape = regexp.MustCompile(`^\.gfid/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// maxHead bounds what is held back of an archive: the head of one member, which is long
// where a file has many holes.
const maxHead = 1 << 20

// FilesOnly passes a tar archive on, member by member: plain files of the volume, by
// their ids. At anything else it ends with an error, and nothing of that member is passed
// on.
func FilesOnly(archive io.Reader) io.Reader {
	out, in := io.Pipe()
	go func() { in.CloseWithError(passOn(in, archive)) }()
	return out
}

func passOn(out io.Writer, in io.Reader) error {
	h := &heads{in: in, out: out}
	archive := tar.NewReader(h)
	for {
		h.hold = true
		member, err := archive.Next()
		if err == nil {
			err = judge(member)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		end := err != nil
		if err := h.passOn(); err != nil {
			return err
		}
		if end {
			_, err := io.Copy(io.Discard, in) // what fills the last block
			return err
		}
		if _, err := io.Copy(io.Discard, archive); err != nil {
			return err
		}
	}
}

func judge(h *tar.Header) error {
	switch {
	case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeGNUSparse:
		return fmt.Errorf("the archive has %.80q, which is not a plain file", h.Name)
	case !memberShape.MatchString(h.Name):
		return fmt.Errorf("the archive has %.80q, which is not in the volume", h.Name)
	}
	return nil
}

// heads passes on what is read, at once or, while it holds, later.
type heads struct {
	in   io.Reader
	out  io.Writer
	hold bool
	held bytes.Buffer
}

// Read implements io.Reader.
func (h *heads) Read(p []byte) (int, error) {
	n, err := h.in.Read(p)
	switch {
	case !h.hold:
		if _, wrong := h.out.Write(p[:n]); wrong != nil {
			return n, wrong
		}
	case h.held.Len()+n > maxHead:
		return n, fmt.Errorf("the archive has a head of more than %d bytes", maxHead)
	default:
		h.held.Write(p[:n])
	}
	return n, err
}

// passOn passes on what was held, and holds no more.
func (h *heads) passOn() error {
	h.hold = false
	_, err := h.held.WriteTo(h.out)
	return err
}
