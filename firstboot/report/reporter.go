package report

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/peers"
)

// Bounds of a report. Whoever watches asks every few seconds, and so may several people.
const (
	keep        = 3 * time.Second     // how long a report does for whoever asks
	gatherLimit = 2 * time.Second     // what a part has not said by then is not in it
	webLimit    = gatherLimit * 3 / 4 // how long Apache may take
	askLimit    = 3 * time.Second     // how long another node may take
	maxReport   = 256 << 10           // bytes
)

// Others is what a report takes of the peer service.
type Others interface {
	// Addresses are this node's own.
	Addresses() []netip.Addr
	// Fetch gets what another node serves at a path. Whoever gets a reader closes it.
	Fetch(ctx context.Context, name, path string) (io.ReadCloser, error)
}

// Reporter gathers the reports of one node. It does nothing while nobody asks.
type Reporter struct {
	h      *host.Host
	f      node.File
	state  func() peers.State
	others Others

	own     kept[Report]
	cluster kept[Cluster]
}

// New makes the Reporter of the node of a node file. State says where it stands, as it
// tells other nodes.
func New(h *host.Host, f node.File, state func() peers.State, others Others) *Reporter {
	return &Reporter{h: h, f: f, state: state, others: others}
}

// Report is what this node tells of itself. It takes two seconds at most.
func (r *Reporter) Report(ctx context.Context) Report {
	return r.own.get(r.h.Clock.Now(), func() Report { return r.gather(context.WithoutCancel(ctx)) })
}

// Cluster is what this node knows of all nodes: it asks the others, all at once, and
// takes three seconds at most.
func (r *Reporter) Cluster(ctx context.Context) Cluster {
	return r.cluster.get(r.h.Clock.Now(), func() Cluster { return r.ask(context.WithoutCancel(ctx)) })
}

func (r *Reporter) ask(ctx context.Context) Cluster {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, fmt.Errorf("no answer within %v", askLimit))
	defer cancel()
	c := Cluster{Name: r.f.Cluster, From: r.f.Name, Nodes: make([]Node, len(r.f.Nodes))}
	var all sync.WaitGroup
	for i, n := range r.f.Nodes {
		all.Go(func() { c.Nodes[i] = r.node(ctx, n) })
	}
	all.Wait()
	return c
}

// node is one node of the cluster, which may be this one.
func (r *Reporter) node(ctx context.Context, n node.Node) Node {
	is := Node{Name: n.Name, Role: n.Role}
	if n.Name == r.f.Name {
		own := r.Report(ctx)
		is.Report = &own
		return is
	}
	var err error
	if is.Report, err = r.fetch(ctx, n.Name); err != nil {
		is.Silent = strings.Join(strings.Fields(err.Error()), " ")
	}
	return is
}

func (r *Reporter) fetch(ctx context.Context, name string) (*Report, error) {
	body, err := r.others.Fetch(ctx, name, Path)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var its Report
	if err := json.NewDecoder(io.LimitReader(body, maxReport)).Decode(&its); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("cannot read the report of %s: %w", name, err)
	}
	return &its, nil
}

// kept is something that is made when somebody asks for it, and does for a while.
// Whoever asks while it is made gets the same.
type kept[T any] struct {
	mu    sync.Mutex
	made  time.Time
	value T
}

func (k *kept[T]) get(now time.Time, anew func() T) T {
	k.mu.Lock()
	defer k.mu.Unlock()
	if age := now.Sub(k.made); k.made.IsZero() || age < 0 || age >= keep {
		k.value, k.made = anew(), now
	}
	return k.value
}
