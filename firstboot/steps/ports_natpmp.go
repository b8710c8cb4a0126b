package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"time"

	"berries/firstboot/node"
	"berries/firstboot/router"
)

// natpmp is the router of this node where it speaks NAT-PMP.
type natpmp struct{ forwarding }

// grantedBefore tells whether a port was granted by NAT-PMP on this way.
func (n natpmp) grantedBefore() bool {
	given, err := n.grants(byNATPMP)
	return err == nil && len(given) > 0
}

func (n natpmp) differences(ctx context.Context) ([]difference, error) {
	r, err := router.FindNATPMP(ctx, n.h, n.way)
	if err != nil || r == nil {
		return nil, n.byHand(fmt.Sprintf("the router %s no longer answers", n.way.Router), n.f.Ports...)
	}
	given, err := n.grants(byNATPMP)
	if err != nil {
		return nil, err
	}
	var list []difference
	for _, p := range n.f.Ports {
		if !given[portOf(p).String()].lasts(n.h.Clock.Now(), r.Epoch) {
			list = append(list, n.differs(p, fmt.Sprintf("may not forward %v", portOf(p)),
				func(ctx context.Context) error { return n.forward(ctx, r, p) })...)
		}
	}
	return list, nil
}

// forward asks for a port, and notes what was granted.
func (n natpmp) forward(ctx context.Context, r *router.NATPMP, p node.Port) error {
	got, err := r.Forward(ctx, portOf(p), lease)
	if err != nil {
		return n.refused(p, err)
	}
	if got.Port != p.Number {
		_, err := r.Forward(ctx, portOf(p), 0)
		return errors.Join(n.byHand(fmt.Sprintf("the router %s offers port %d in place of %v, which another machine has, or which it may not forward; "+
			"see there, or %s", n.way.Router, got.Port, portOf(p), another(p)), p), err)
	}
	return n.note(p, grant{byNATPMP, n.way, n.h.Clock.Now(), got.Lease, got.Epoch})
}

// The ways in which a router is asked.
const (
	byUPnP   = "UPnP"
	byNATPMP = "NAT-PMP"
)

// portsPath lies in memory: after a boot all is asked for anew.
const portsPath = "/run/berry/ports.json"

// grant is what the router has granted for a port. Nobody but this step writes or reads
// it.
type grant struct {
	By    string        `json:"by"`  // byUPnP or byNATPMP
	Way   router.Way    `json:"way"` // then
	At    time.Time     `json:"at"`
	Lease time.Duration `json:"lease"`
	Epoch time.Duration `json:"epoch"` // the router's count, by NAT-PMP
}

// renewEvery is how soon a grant by NAT-PMP is asked for anew. It need not be, but that
// a router has lost it without counting anew shows in nothing.
const renewEvery = time.Hour

// lasts tells whether a router whose count is at epoch still holds to it. The count may
// go slow by an eighth, and be off by two seconds (RFC 6886, 3.6).
func (g grant) lasts(now time.Time, epoch time.Duration) bool {
	past := now.Sub(g.At)
	return past >= 0 && past < min(g.Lease/2, renewEvery) && epoch+2*time.Second >= g.Epoch+past/8*7
}

// grants are what was noted of this way, by port. A file that is broken is none.
func (w forwarding) grants(by string) (map[string]grant, error) {
	given, err := w.notes()
	maps.DeleteFunc(given, func(_ string, g grant) bool { return g.Way != w.way || g.By != by })
	return given, err
}

func (w forwarding) notes() (map[string]grant, error) {
	data, err := w.h.Files.Read(portsPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var given map[string]grant
	if json.Unmarshal(data, &given) != nil || given == nil {
		given = map[string]grant{}
	}
	return given, nil
}

func (w forwarding) note(p node.Port, g grant) error {
	given, err := w.notes()
	if err != nil {
		return err
	}
	given[portOf(p).String()] = g
	data, err := json.Marshal(given)
	if err != nil {
		return err
	}
	if err := w.h.Files.Mkdir(path.Dir(portsPath), 0o755); err != nil {
		return err
	}
	return w.h.Files.Replace(portsPath, append(data, '\n'), 0o644)
}
