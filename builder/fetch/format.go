package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// format is what a file is, by its content.
type format string

const (
	raw  format = "raw" // a disk image with an MBR
	xz   format = "xz"
	zstd format = "zstd"
	zipf format = "zip"
)

// magic is how files of a format begin.
var magic = map[format]string{
	xz:   "\xfd7zXZ\x00",
	zstd: "\x28\xb5\x2f\xfd",
	zipf: "PK\x03\x04",
}

// refused is what a person may take for an image, by how it begins, with what
// to do about it.
var refused = []struct{ begin, why string }{
	{"\x1f\x8b", "it is compressed with gzip; unpack it with gunzip first"},
	{"BZh", "it is compressed with bzip2; unpack it with bunzip2 first"},
	{"7z\xbc\xaf\x27\x1c", "it is a 7z archive; unpack it with 7z x first"},
	{"\x04\x22\x4d\x18", "it is compressed with lz4; unpack it with lz4 -d first"},
	{"QFI\xfb", "it is a qcow2 image; make it raw with qemu-img convert -O raw first"},
	{"<", "it is a web page; give the address of the image itself"},
}

// sniff tells what the file is, or refuses it.
func sniff(path string) (format, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 33<<10) // an ISO's mark is at 32769
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		return "", err
	}
	return formatOf(head[:n])
}

func formatOf(head []byte) (format, error) {
	for f, m := range magic {
		if bytes.HasPrefix(head, []byte(m)) {
			return f, nil
		}
	}
	for _, r := range refused {
		if strings.HasPrefix(strings.TrimSpace(string(head[:min(len(head), 64)])), r.begin) {
			return "", errors.New(r.why)
		}
	}
	at := func(offset int, mark string) bool {
		return len(head) >= offset+len(mark) && string(head[offset:offset+len(mark)]) == mark
	}
	switch {
	case at(32769, "CD001"): // before the MBR, which an ISO for USB sticks has too
		return "", errors.New("it is an ISO image, which is not for a Raspberry Pi; take an .img")
	case at(257, "ustar"):
		return "", errors.New("it is a tar archive; unpack it with tar -xf first")
	case at(510, "\x55\xaa"):
		return raw, nil
	}
	return "", fmt.Errorf("it is no disk image, and nothing that one is packed in (xz, zstd, zip)")
}
