// Package cards knows which card is the present one of each node.
//
// A card that is flashed anew for a node takes the old one's place: the same name,
// certificate and Gluster UUID, and an empty brick that is filled from the others.
// When the old card comes back, nothing of that tells it from the new one, and
// GlusterFS would take its stale files for good ones. So each card gives itself an id
// at its first start, and every node keeps a book of the present card of each. What
// one node writes into it the others learn when they ask it for its state; of two
// entries the later one counts.
//
// The book is a small file that is replaced atomically. A node that loses it learns it
// again, and gets a new id: with files on its brick it is then refused as if it were
// an old card, rather than let in without certainty.
package cards

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"sync"

	"berries/firstboot/host"
)

// Path is where the book lies on a node.
const Path = "/var/lib/berry/cards.json"

// Entry says which card is the present one of a node.
type Entry struct {
	Card string `json:"card"`
	// Count is how many cards the node has had: the entry with more is the later one.
	Count int `json:"count"`
}

// Book is this node's book. It may be used by several goroutines.
type Book struct {
	files *host.Files

	mu   sync.Mutex
	kept kept
}

// kept is the file's content.
type kept struct {
	Own     string           `json:"own"`     // the id of the card that the book is on
	Present map[string]Entry `json:"present"` // by node
}

// Open reads the book, or begins it. One that cannot be read is begun anew.
func Open(files *host.Files) (*Book, error) {
	b := &Book{files: files}
	data, err := files.Read(Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && json.Unmarshal(data, &b.kept) == nil && b.kept.Own != "" {
		if b.kept.Present == nil {
			b.kept.Present = map[string]Entry{}
		}
		return b, nil
	}
	b.kept = kept{Own: rand.Text(), Present: map[string]Entry{}}
	return b, b.write()
}

// Own is the id of this card.
func (b *Book) Own() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept.Own
}

// Present are the present cards of the nodes that are known.
func (b *Book) Present() map[string]Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.kept.Present)
}

// Learn takes over the entries of another node's book that are later than this one's.
func (b *Book) Learn(present map[string]Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	news := false
	for name, e := range present {
		if e.Count > b.kept.Present[name].Count && e.Card != "" {
			b.kept.Present[name] = e
			news = true
		}
	}
	if !news {
		return nil
	}
	return b.write()
}

// Replace makes a card the present one of a node. It is on this node's own card when
// Replace returns. One that is that already stays as it is.
func (b *Book) Replace(name, card string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.kept.Present[name]
	if before.Card == card {
		return nil
	}
	b.kept.Present[name] = Entry{card, before.Count + 1}
	return b.write()
}

func (b *Book) write() error {
	data, err := json.MarshalIndent(b.kept, "", "  ")
	if err != nil {
		return err
	}
	if err := b.files.Mkdir(path.Dir(Path), 0o755); err != nil {
		return err
	}
	if err := b.files.Replace(Path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot keep the book of cards: %w", err)
	}
	return nil
}
