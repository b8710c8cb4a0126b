package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"berries/firstboot/report"
)

const (
	// answers is how long a node may take: it asks all others meanwhile.
	answers   = 8 * time.Second
	maxAnswer = 16 << 20 // bytes; 64 nodes' reports are less
	// heard is when most nodes of the network have been heard.
	heard = 500 * time.Millisecond
)

// Look asks every node that may be somewhere, all at once, and merges what they tell. It
// ends when there is a report of every node: each tells of all that it reaches, and an
// address that leads nowhere takes seconds. Nodes that nobody reaches are silent. The error
// is ErrNobody where no node answers, and says what happened at each address.
func (c *Client) Look(ctx context.Context) (report.Cluster, error) {
	type answer struct {
		told report.Cluster
		err  error
	}
	found := make(chan answer)
	over, end := context.WithCancel(ctx)
	defer end()
	count := 0
	ask := func(name string, ways []string) {
		count++
		go func() {
			told, err := c.ask(over, name, ways)
			select {
			case found <- answer{told, err}:
			case <-over.Done():
			}
		}()
	}
	for _, at := range c.waysTo("") {
		ask("", []string{at})
	}
	for _, name := range c.names() {
		ask(name, c.waysTo(name))
	}
	var told []report.Cluster
	var why []string
	merged := Merge(c.access.Nodes, nil)
	for range count {
		var a answer
		select {
		case a = <-found:
		case <-ctx.Done():
			return merged, context.Cause(ctx)
		}
		if a.err != nil {
			why = append(why, strings.ReplaceAll(a.err.Error(), "\n", "; "))
			continue
		}
		told = append(told, a.told)
		if merged = Merge(c.access.Nodes, told); whole(merged) {
			return merged, nil
		}
	}
	switch {
	case ctx.Err() != nil: // which the last answers may have said first
		return merged, context.Cause(ctx)
	case len(told) == 0 && len(why) == 0:
		return merged, ErrNobody
	case len(told) == 0:
		slices.Sort(why)
		return merged, fmt.Errorf("%w: %s", ErrNobody, strings.Join(why, "; "))
	}
	return merged, nil
}

// ask asks a node what it knows of all, at the first address at which it answers.
func (c *Client) ask(ctx context.Context, name string, ways []string) (report.Cluster, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answers, fmt.Errorf("no answer within %v", answers))
	defer cancel()
	var errs []error
	for _, at := range ways {
		told, err := c.askAt(ctx, name, at)
		if err == nil {
			return told, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", at, err))
	}
	return report.Cluster{}, errors.Join(errs...)
}

func (c *Client) askAt(ctx context.Context, name, at string) (report.Cluster, error) {
	m, err := c.meet(ctx, name, at)
	if err != nil {
		return report.Cluster{}, err
	}
	c.proven(m.name, at)
	body, err := m.get(ctx, report.ClusterPath)
	if err != nil {
		return report.Cluster{}, err
	}
	defer body.Close()
	var told report.Cluster
	if err := json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(&told); err != nil {
		return report.Cluster{}, fmt.Errorf("cannot read the answer of %s: %w", m.name, because(ctx, err))
	}
	return told, nil
}

// Merge makes one Cluster of what several nodes tell: the nodes of the profile in its
// order, then others. A node that any of them reaches is not silent; of several reports of
// one node the newest counts, by that node's own clock.
func Merge(nodes []Known, told []report.Cluster) report.Cluster {
	slices.SortFunc(told, func(a, b report.Cluster) int { return strings.Compare(a.From, b.From) })
	var is report.Cluster
	var from []string
	for _, n := range nodes {
		is.Nodes = append(is.Nodes, report.Node{Name: n.Name, Role: n.Role})
	}
	for _, t := range told {
		is.Name = t.Name
		from = append(from, t.From)
		for _, n := range t.Nodes {
			at := slices.IndexFunc(is.Nodes, func(m report.Node) bool { return m.Name == n.Name })
			if at < 0 {
				at, is.Nodes = len(is.Nodes), append(is.Nodes, report.Node{Name: n.Name, Role: n.Role})
			}
			add(&is.Nodes[at], n, t.From)
		}
	}
	is.From = strings.Join(slices.Compact(from), ", ")
	for i := range is.Nodes {
		if n := &is.Nodes[i]; n.Report == nil && n.Silent == "" {
			n.Silent = "nobody knows of it"
		}
	}
	return is
}

// add adds what a node tells of one.
func add(to *report.Node, n report.Node, from string) {
	switch {
	case n.Report != nil && (to.Report == nil || n.Report.Made.After(to.Report.Made)):
		to.Report, to.Silent = n.Report, ""
	case n.Report == nil && to.Report == nil && to.Silent == "":
		why := strings.TrimPrefix(n.Silent, fmt.Sprintf("cannot ask %s for %s: ", n.Name, report.Path))
		to.Silent = fmt.Sprintf("%s says: %s", from, why)
	}
}

// whole tells whether there is a report of every node.
func whole(c report.Cluster) bool {
	return !slices.ContainsFunc(c.Nodes, func(n report.Node) bool { return n.Report == nil })
}

// Ready tells whether every node says that it is ready.
func Ready(c report.Cluster) bool {
	return !slices.ContainsFunc(c.Nodes, func(n report.Node) bool { return n.Report == nil || !n.Report.Status.Ready })
}

// Lacking says which nodes are not ready.
func Lacking(c report.Cluster) string {
	var list []string
	for _, n := range c.Nodes {
		switch {
		case n.Report == nil:
			list = append(list, n.Name+": silent: "+n.Silent)
		case !n.Report.Status.Ready:
			list = append(list, n.Name+": "+n.Report.Words)
		}
	}
	return strings.Join(list, "; ")
}

// Settle is Look for who looks only once: it goes on until every node has been heard of,
// or some seconds are over, which nodes take to be found. Where addresses were given there
// is nothing to wait for.
func (c *Client) Settle(ctx context.Context, limit time.Duration) (report.Cluster, error) {
	inner, cancel := context.WithCancel(ctx)
	var finding sync.WaitGroup
	finding.Go(func() { c.Discover(inner) }) // where nothing can be heard, nobody is found
	defer finding.Wait()
	defer cancel()
	if len(c.access.At) == 0 {
		Pause(ctx, heard)
	}
	for end := time.Now().Add(limit); ; {
		is, err := c.Look(ctx)
		if whole(is) || ctx.Err() != nil || len(c.access.At) > 0 || time.Now().After(end) {
			return is, err
		}
		Pause(ctx, 300*time.Millisecond)
	}
}

// Pause waits for a time, or until the context ends, which is false.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
