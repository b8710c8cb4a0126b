package disk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
)

// noChecksum stands where the file's own checksum goes while that is computed.
var noChecksum = strings.Repeat("0", 2*sha256.Size)

// WriteFile writes the block map as a file, replacing one that is there.
func (b *Bmap) WriteFile(path string) error {
	return renameio.WriteFile(path, b.encode(), 0o644)
}

// encode is the file, after the description in bmaptool's BmapCreate.py: XML,
// numbers between blanks, the checksum of the file computed with zeros in its
// own place.
func (b *Bmap) encode() []byte {
	var ranges strings.Builder
	var blocks int64
	for _, r := range b.Ranges {
		span := strconv.FormatInt(r.First, 10)
		if r.Last > r.First {
			span += "-" + strconv.FormatInt(r.Last, 10)
		}
		fmt.Fprintf(&ranges, "        <Range chksum=\"%x\"> %s </Range>\n", r.SHA256, span)
		blocks += r.Last - r.First + 1
	}
	file := fmt.Appendf(nil, `<?xml version="1.0" ?>
<!-- The blocks of an image that a card must hold. Flash with: bmaptool copy -->
<bmap version="2.0">
    <ImageSize> %d </ImageSize>
    <BlockSize> %d </BlockSize>
    <BlocksCount> %d </BlocksCount>
    <MappedBlocksCount> %d </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> %s </BmapFileChecksum>
    <BlockMap>
%s    </BlockMap>
</bmap>
`, b.ImageSize, BmapBlock, (b.ImageSize+BmapBlock-1)/BmapBlock, blocks, noChecksum, ranges.String())
	return bytes.Replace(file, []byte(noChecksum), fmt.Appendf(nil, "%x", sha256.Sum256(file)), 1)
}

// bmapXML is the file as encoding/xml reads it.
type bmapXML struct {
	Version   string `xml:"version,attr"`
	ImageSize string
	BlockSize string
	Kind      string `xml:"ChecksumType"`
	Checksum  string `xml:"BmapFileChecksum"`
	Ranges    []struct {
		Checksum string `xml:"chksum,attr"`
		Span     string `xml:",chardata"`
	} `xml:"BlockMap>Range"`
}

// ReadBmap reads a block map and checks that it is whole.
func ReadBmap(path string) (*Bmap, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b, err := decodeBmap(file)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s as block map: %w", path, err)
	}
	return b, nil
}

func decodeBmap(file []byte) (*Bmap, error) {
	var x bmapXML
	if err := xml.Unmarshal(file, &x); err != nil {
		return nil, err
	}
	own := strings.TrimSpace(x.Checksum)
	blank := bytes.Replace(file, []byte(own), []byte(noChecksum), 1)
	switch {
	case x.Version != "2.0" || strings.TrimSpace(x.Kind) != "sha256":
		return nil, fmt.Errorf("it is of version %q with %q checksums, not 2.0 with sha256", x.Version, strings.TrimSpace(x.Kind))
	case strings.TrimSpace(x.BlockSize) != strconv.Itoa(BmapBlock):
		return nil, fmt.Errorf("its blocks have %s bytes, not %d", strings.TrimSpace(x.BlockSize), BmapBlock)
	case len(own) != len(noChecksum) || own != fmt.Sprintf("%x", sha256.Sum256(blank)):
		return nil, errors.New("it is damaged: its checksum is wrong")
	}
	size, err := strconv.ParseInt(strings.TrimSpace(x.ImageSize), 10, 64)
	if err != nil {
		return nil, err
	}
	b := &Bmap{ImageSize: size}
	for _, r := range x.Ranges {
		if err := b.addRange(r.Span, r.Checksum); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// addRange appends a range as the file writes it, such as "12-80" or "7".
func (b *Bmap) addRange(span, checksum string) error {
	first, last, isRun := strings.Cut(strings.TrimSpace(span), "-")
	if !isRun {
		last = first
	}
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	sum, err3 := hex.DecodeString(checksum)
	if err := errors.Join(err1, err2, err3); err != nil {
		return fmt.Errorf("blocks %q: %w", span, err)
	}
	after := int64(0) // the first block that may follow
	if n := len(b.Ranges); n > 0 {
		after = b.Ranges[n-1].Last + 1
	}
	if from < after || to < from || to*BmapBlock >= b.ImageSize || len(sum) != sha256.Size {
		return fmt.Errorf("blocks %q: they do not fit", span)
	}
	b.Ranges = append(b.Ranges, BmapRange{from, to, digest(sum)})
	return nil
}
