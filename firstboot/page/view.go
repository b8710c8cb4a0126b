package page

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berries/firstboot/peers"
	"berries/firstboot/report"
	"berries/firstboot/status"
)

// columns are the heads of the cells of a row.
var columns = []string{"State", "Addresses", "Brick", "To heal", "Copy", "Web", "Versions"}

// view is the cluster in words. It goes into the page, and to its script.
type view struct {
	Cluster string `json:"-"`
	From    string `json:"-"`       // the node that shows it
	Title   string `json:"title"`   // of the browser's tab
	Summary string `json:"summary"` // in a sentence
	Rows    []row  `json:"rows"`
}

// row is a node.
type row struct {
	Name  string `json:"name"`
	Role  string `json:"-"`
	Cells []cell `json:"cells"` // as many as columns
}

// cell is a cell of the table. Its words stand for themselves; Mark and Sign are for who
// looks from afar.
type cell struct {
	Mark string `json:"mark"`
	Sign string `json:"sign"`
	Text string `json:"text"`
}

// nothing is a cell for what does not apply to a node, or is not known.
var nothing = cell{Mark: "none", Text: "–"}

func good(text string) cell { return cell{"good", "✓", text} }
func busy(text string) cell { return cell{"busy", "…", text} }
func mind(text string) cell { return cell{"mind", "!", text} }
func bad(text string) cell  { return cell{"bad", "✗", text} }

func newView(c report.Cluster) view {
	v := view{Cluster: c.Name, From: c.From, Summary: summary(c.Nodes)}
	v.Title = c.Name + ": " + v.Summary
	for _, n := range c.Nodes {
		v.Rows = append(v.Rows, newRow(n))
	}
	return v
}

// summary is what there is to say of all of them.
func summary(nodes []report.Node) string {
	ready, silent := 0, []string{}
	for _, n := range nodes {
		switch {
		case n.Report == nil:
			silent = append(silent, n.Name)
		case n.Report.Status.Ready:
			ready++
		}
	}
	if ready == len(nodes) {
		return fmt.Sprintf("all %d nodes are ready", ready)
	}
	text := fmt.Sprintf("%d of %d nodes are ready", ready, len(nodes))
	if len(silent) > 0 {
		text += "; silent: " + strings.Join(silent, ", ")
	}
	return text
}

func newRow(n report.Node) row {
	r := n.Report
	if r == nil {
		cells := []cell{bad("silent: " + cmp.Or(n.Silent, "it does not answer"))}
		for range columns[1:] {
			cells = append(cells, nothing)
		}
		return row{n.Name, n.Role, cells}
	}
	return row{n.Name, n.Role, []cell{state(*r), reached(*r), brick(r.Brick), heal(r.Heal), copied(r.GeoRep), web(r.Web), versions(r.Versions)}}
}

// state is where the node stands, in the words of its console.
func state(r report.Report) cell {
	failed := slices.ContainsFunc(r.Status.Steps, func(s status.Step) bool { return s.State == status.Failed })
	text := cmp.Or(r.Words, "starting")
	switch {
	case r.Status.Ready && r.Words == status.Line{Ready: true}.Text():
		return good(text)
	case r.Status.Ready:
		return mind(text)
	case failed:
		return bad(text)
	}
	return busy(text)
}

func reached(r report.Report) cell {
	var list []string
	for _, a := range r.Addresses {
		if a.Is4() || !a.IsLinkLocalUnicast() { // every interface has one of those
			list = append(list, a.String())
		}
	}
	return listed(list)
}

func listed(list []string) cell {
	if len(list) == 0 {
		return nothing
	}
	return cell{Text: strings.Join(list, ", ")}
}

func brick(b *report.Brick) cell {
	if b == nil {
		return nothing
	}
	text := b.State
	if b.Size > 0 {
		text += fmt.Sprintf(", %d%% of %s used", b.Used*100/b.Size, size(b.Size))
	}
	switch b.State {
	case report.Online:
		return good(text)
	case peers.BrickNew, peers.BrickFilling:
		return busy(text)
	}
	return bad(text)
}

// size is a number of bytes, for people.
func size(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

func heal(n *int) cell {
	switch {
	case n == nil:
		return nothing
	case *n == 0:
		return good("nothing")
	case *n == 1:
		return busy("1 entry")
	}
	return busy(fmt.Sprintf("%d entries", *n))
}

func copied(g *report.GeoRep) cell {
	if g == nil {
		return nothing
	}
	text := g.State
	if g.Words != "" {
		text += ": " + g.Words
	}
	switch {
	case g.State == "Faulty":
		return bad(text)
	case g.Words != "" || g.State == report.Behind:
		return mind(text)
	case g.State == "Active" || g.State == "Passive" || g.State == report.Whole:
		return good(text)
	}
	return busy(text)
}

func web(w *report.Web) cell {
	switch {
	case w == nil:
		return nothing
	case w.Serving:
		return good(fmt.Sprintf("serves at port %d", w.Port))
	case w.Code == 0:
		return bad(fmt.Sprintf("nobody answers at port %d", w.Port))
	}
	return bad(fmt.Sprintf("answers %d at port %d", w.Code, w.Port))
}

func versions(of map[string]string) cell {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		list = append(list, name+" "+of[name])
	}
	return listed(list)
}
