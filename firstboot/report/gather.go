package report

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// gather makes a report. Its parts are looked for all at once; one that hangs, as a
// dying card does, is left out.
func (r *Reporter) gather(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, gatherLimit)
	defer cancel()
	now := r.h.Clock.Now()
	is := Report{Made: now.UTC(), Addresses: []netip.Addr{}, Versions: map[string]string{}}
	parts := []func() func(*Report){
		r.stands, r.machine,
		func() func(*Report) { return r.brick(ctx) },
		func() func(*Report) { return r.copy(now) },
		func() func(*Report) { return r.web(ctx) },
	}
	found := make(chan func(*Report), len(parts))
	for _, part := range parts {
		go func() { found <- part() }()
	}
	for range parts {
		select {
		case tell := <-found:
			tell(&is)
		case <-ctx.Done():
			return is
		}
	}
	return is
}

// stands is where the node stands, as it tells other nodes.
func (r *Reporter) stands() func(*Report) {
	s := r.state()
	stands, err := status.Read(r.h.Files)
	if err != nil { // it is replaced with the next step
		stands = status.Status{Cluster: r.f.Cluster, Node: r.f.Name, Role: r.f.Role, Ready: s.Ready}
	}
	return func(is *Report) {
		is.Status, is.Words = stands, s.Step
		for name, version := range s.Versions {
			is.Versions[name] = version
		}
	}
}

// machine is what is asked of the kernel, and of the peer service.
func (r *Reporter) machine() func(*Report) {
	addresses := r.others.Addresses()
	if t := r.f.Tunnel; t != nil {
		if end, has := t.End(r.f.Name); has {
			addresses = append(addresses[:len(addresses):len(addresses)], netip.MustParseAddr(end.Address)) // the file is valid
		}
	}
	uptime, _ := r.h.Files.Read("/proc/uptime")
	first, _, _ := strings.Cut(string(uptime), " ")
	seconds, _ := strconv.ParseFloat(first, 64)
	kernel, _ := r.h.Files.Read("/proc/sys/kernel/osrelease")
	return func(is *Report) {
		is.Addresses = append(is.Addresses, addresses...)
		is.Uptime = seconds
		if v := strings.TrimSpace(string(kernel)); v != "" {
			is.Versions["linux"] = v
		}
	}
}

// The states of a brick that has not lost its content.
const (
	Online  = "online"
	Offline = "offline"
)

// brick looks at the brick. glusterd is not asked: what it does for an answer holds the
// volume, on all nodes, and keeps steps waiting that look at it, too.
func (r *Reporter) brick(ctx context.Context) func(*Report) {
	b := r.f.Brick
	if b == nil || r.f.Gluster == nil {
		return func(*Report) {}
	}
	is := Brick{State: Offline}
	if r.brickRuns() {
		is.State = Online
	}
	if lost := r.state().Brick; lost != "" {
		is.State = lost
	}
	// Of what is mounted there, and of nothing where that is not the brick.
	if _, mounted, err := r.h.MountAt(b.Mount); mounted && err == nil {
		is.Used, is.Size, _ = r.room(ctx, b.Mount)
	}
	heal := r.toHeal()
	return func(report *Report) { report.Brick, report.Heal = &is, heal }
}

// room is how many bytes of a filesystem are used, and how many there are.
func (r *Reporter) room(ctx context.Context, mount string) (used, size int64, err error) {
	res, err := r.h.Runner.Run(ctx, host.Command("df", "--block-size=1", "--output=used,size", mount))
	if err != nil {
		return 0, 0, err
	}
	_, figures, _ := strings.Cut(string(res.Stdout), "\n")
	_, err = fmt.Sscan(figures, &used, &size)
	return used, size, err
}

// brickRuns tells whether the process of the brick runs, by the file in which glusterd
// keeps its number (GLUSTERD_GET_BRICK_PIDFILE).
func (r *Reporter) brickRuns() bool {
	dir := strings.ReplaceAll(strings.TrimPrefix(r.f.Brick.Dir, "/"), "/", "-")
	text, err := r.h.Files.Read(fmt.Sprintf("/run/gluster/vols/%s/%s-%s.pid", r.f.Gluster.Volume, r.f.Name, dir))
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return false
	}
	line, err := r.h.Files.Read(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(line, []byte("\x00"+r.f.Brick.Dir+"\x00"))
}

// toHeal counts what the brick knows that others have yet to get from it: GlusterFS
// keeps a link for each in a folder of the brick, beside one that gives them their inode.
// nil is that there are no others, or no such folder yet.
func (r *Reporter) toHeal() *int {
	if len(r.f.Gluster.Members) == 1 {
		return nil
	}
	names, err := r.h.Files.List(r.f.Brick.Dir + "/.glusterfs/indices/xattrop")
	if err != nil {
		return nil
	}
	n := 0
	for _, name := range names {
		if !strings.HasPrefix(name, "xattrop-") {
			n++
		}
	}
	return &n
}

// web asks this machine's Apache, as a visitor would. A balancer passes the question on
// to a member.
func (r *Reporter) web(ctx context.Context) func(*Report) {
	is, name := Web{}, "127.0.0.1"
	switch {
	case r.f.Web != nil:
		is.Port = r.f.Web.Port
	case r.f.Balancer != nil:
		is.Port, name = r.f.Balancer.Port, r.f.Balancer.ServerName
	default:
		return func(*Report) {}
	}
	is.Code = r.code(ctx, is.Port, name)
	// With HTTPS plain HTTP leads there, which is all that is known then.
	is.Serving = is.Code == http.StatusOK || r.f.Role == node.Balancer && is.Code/100 == 3
	return func(report *Report) { report.Web = &is }
}

// code is what Apache answers to the health URL; 0 when nobody does. It hangs while the
// volume does, which is worth telling before the report is due.
func (r *Reporter) code(ctx context.Context, port int, name string) int {
	ctx, cancel := context.WithTimeout(ctx, webLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/health", port), nil)
	if err != nil {
		return 0
	}
	req.Host = name
	res, err := r.h.HTTP.RoundTrip(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}
