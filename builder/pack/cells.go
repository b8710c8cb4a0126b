package pack

// cell is a part of an image that one core works at: some blocks of the base, or what
// lies beyond them.
type cell struct {
	start, end int64
	blocks     []block
}

// cells cuts an image of a size into cells.
func (s *splicer) cells(size int64, give func(cell) error) error {
	c := cell{}
	if s.base != nil {
		for _, b := range s.base.blocks {
			if b.end() > size {
				break
			}
			if c.end > c.start && b.end()-c.start > pieceSize {
				if err := give(c); err != nil {
					return err
				}
				c = cell{start: c.end, end: c.end}
			}
			c.blocks, c.end = append(c.blocks, b), b.end()
		}
		if err := give(c); err != nil {
			return err
		}
	}
	for at := c.end; at < size; at += pieceSize {
		if err := give(cell{start: at, end: min(at+pieceSize, size)}); err != nil {
			return err
		}
	}
	return nil
}
