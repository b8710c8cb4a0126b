package steps

import (
	"context"
	"net/http"

	"berries/firstboot/georep"
	"berries/firstboot/gluster"
	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Web has Apache serve the volume.
//
// It needs the package apache2. It leaves a site of its own (see site), the two
// modules that it needs, a list of ports with nothing but the node's, no packaged
// default site, and Apache running, at every boot from then on: it may be there
// before the volume is, for until then, and while this node's brick is being rebuilt,
// it answers everything with 503 and no listing of an empty folder is ever seen. So it
// does at a remote node, where the step holds all the same, until the copy is whole.
//
// The step holds when Apache answers /health with a file from the volume and with the
// sum of the configuration above, which so is the one that it runs with: a file that
// was written before a cut tells nothing of that.
type Web struct{}

// Name implements Step.
func (Web) Name() string { return "web" }

// Look implements Step. It asks Apache once.
func (Web) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := webOf(h, f).differences(ctx)
	return stateOf(list), err
}

// Act implements Step. It waits for the volume as long as it takes.
func (Web) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return insist(ctx, h, say, webOf(h, f).differences)
}

// server does the work of the step.
type server struct {
	httpd
	point string // where the volume is mounted
	name  string // of this node
	// whole is the file of the volume without which nobody is served; "" is none.
	whole string
}

func webOf(h *host.Host, f node.File) server {
	w := server{
		httpd{h: h, port: f.Web.Port, url: healthURL, modules: []string{"rewrite", "headers"}},
		f.Gluster.Mount, f.Name, "",
	}
	if f.Secondary != nil {
		w.whole = georep.WholeFile(idOf(h.Files, f.Gluster.Volume))
	}
	w.text = w.siteWith
	return w
}

// idOf is the id of a volume in glusterd's own record of it; "" where it has none.
func idOf(files *host.Files, volume string) string {
	text, err := files.Read(gluster.RecordPath(volume))
	if err != nil {
		return ""
	}
	return gluster.IDOf(text)
}

func (w server) differences(ctx context.Context) ([]difference, error) {
	if list, err := w.configured(); err != nil || len(list) > 0 {
		return list, err
	}
	code, list, err := w.running(ctx)
	switch {
	case err != nil || len(list) > 0:
		return list, err
	case code == http.StatusServiceUnavailable && w.whole != "" && !w.h.Files.Exists(w.point+"/"+w.whole):
		return nil, nil // it serves nobody until the copy is whole
	case code == http.StatusServiceUnavailable && w.h.Files.Exists(RebuildPath):
		return []difference{{what: "nothing is served while the brick is being rebuilt", doing: "waiting for the brick to be rebuilt"}}, nil
	case code == http.StatusServiceUnavailable:
		return []difference{{what: "Apache does not find the volume at " + w.point, doing: "waiting for the volume at " + w.point}}, nil
	case code != http.StatusOK:
		return nil, w.odd(code)
	}
	return nil, nil
}
