package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"berries/firstboot/host"
)

const (
	// quick is xz's level for what was changed of a base: a tenth of the time of its
	// usual one, for a few more bytes of a few blocks.
	quick = 0
	usual = 6
)

// compress has xz pack data, and takes the block out of what it makes. With more than one
// thread xz writes the block's size into its start, without which nobody could unpack
// several blocks at once.
func (s *splicer) compress(ctx context.Context, data []byte) (segment, error) {
	cmd := host.Command("xz", "--compress", "--stdout", "--format=xz", "--check="+checks[s.check],
		fmt.Sprintf("-%d", s.level), "--threads=2", fmt.Sprintf("--block-size=%d", pieceSize))
	cmd.Stdin = bytes.NewReader(data)
	cmd.Env = []string{"XZ_OPT=", "XZ_DEFAULTS="}
	res, err := s.run.Run(ctx, cmd)
	if err != nil {
		return segment{}, err
	}
	r := bytes.NewReader(res.Stdout)
	made, err := readContainer(r, r.Size())
	if err == nil && (made.size() != int64(len(data)) || made.check != s.check) {
		err = errors.New("it is not what was asked for")
	}
	if err != nil {
		return segment{}, fmt.Errorf("cannot use what %s has made: %w", cmd, err)
	}
	return segment{from: r, at: headerSize, blocks: made.blocks}, nil
}
