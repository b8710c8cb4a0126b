package support

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"berries/firstboot/node"
	"berries/firstboot/report"
	"berries/firstboot/status"
)

// BundlePath is where the peer service has the bundle.
const BundlePath = "/support"

// bundleLines is how many lines of each log are in a bundle.
const bundleLines = 2000

// texts are all that is in a bundle.
func (s *Support) texts() []text {
	list := []text{
		{"node.json", node.Path, s.nodeFile},
		{"status.json", status.Path, s.file(status.Path)},
		{"report.json", report.Path, func(ctx context.Context) ([]byte, error) { return json.MarshalIndent(s.r.Report(ctx), "", "  ") }},
		{"cluster.json", report.ClusterPath, func(ctx context.Context) ([]byte, error) { return json.MarshalIndent(s.r.Cluster(ctx), "", "  ") }},
		s.journal("berry-firstboot.service", bundleLines),
		s.command("logs/journal-kernel.txt", "journalctl", "--no-pager", "--output=short-iso", "--lines=2000", "--dmesg"),
		s.command("system/units.txt", "systemctl", "--no-pager", "--failed"),
		s.command("system/addresses.txt", "ip", "address"),
		s.command("system/routes.txt", "ip", "route"),
		s.command("system/room.txt", "df", "--human-readable"),
		s.command("system/memory.txt", "free", "--mega"),
		s.command("system/packages.txt", "dpkg-query", "--show"),
		{"system/mounts.txt", "/proc/self/mountinfo", s.file("/proc/self/mountinfo")},
		{"system/hosts.txt", "/etc/hosts", s.file("/etc/hosts")},
	}
	if s.f.Tunnel != nil {
		list = append(list, s.command("system/tunnel.txt", "wg", "show"), s.journal("berry-tunnel.service", bundleLines))
	}
	if s.f.DDNS != nil {
		list = append(list, s.journal("ddclient.service", bundleLines))
	}
	if s.f.Gluster != nil {
		list = append(list, s.gluster()...)
	}
	if s.f.Web != nil || s.f.Balancer != nil {
		list = append(list, s.journal("apache2.service", bundleLines))
		list = append(list, s.logsBelow("/var/log/apache2", 0, bundleLines, isErrorLog)...)
	}
	return list
}

// gluster is what GlusterFS says of itself, and its logs.
func (s *Support) gluster() []text {
	volume := s.f.Gluster.Volume
	ask := func(name string, words ...string) text {
		return s.command("gluster/"+name+".txt", append([]string{"gluster", "--mode=script"}, words...)...)
	}
	list := []text{
		ask("peers", "peer", "status"),
		ask("volume", "volume", "info", volume),
		ask("bricks", "volume", "status", volume),
		s.journal("glusterd.service", bundleLines),
	}
	if len(s.f.Gluster.Members) > 1 {
		list = append(list, ask("heal", "volume", "heal", volume, "info", "summary"))
	}
	if s.f.GeoRep != nil {
		list = append(list, ask("geo-replication", "volume", "geo-replication", volume, "status"))
	}
	return append(list, s.logsBelow("/var/log/glusterfs", 3, bundleLines, isLog)...)
}

// nodeFile is the node file without its secrets.
func (s *Support) nodeFile(context.Context) ([]byte, error) {
	f, err := s.f.Blanked()
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(f, "", "  ")
}

func (s *Support) file(name string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return s.h.Files.Read(name) }
}

// Bundle serves a tar.gz of all texts.
func (s *Support) Bundle() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/gzip")
		way := http.NewResponseController(w)
		// An error is the asker's going away, who sees that the end is missing.
		s.write(r.Context(), w, func() { way.SetWriteDeadline(time.Now().Add(answerLimit)) })
	})
}

// write writes the bundle. Longer is called before each text is looked for.
func (s *Support) write(ctx context.Context, w http.ResponseWriter, longer func()) error {
	packed := gzip.NewWriter(w)
	out := tar.NewWriter(packed)
	secrets := secretsOf(s.h.Files, s.f)
	now := s.h.Clock.Now()
	for _, t := range s.texts() {
		longer()
		data := secrets.Clean(t.read(ctx))
		head := &tar.Header{Name: t.name, Mode: 0o644, Size: int64(len(data)), ModTime: now}
		if err := out.WriteHeader(head); err != nil {
			return err
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
	}
	longer()
	return errors.Join(out.Close(), packed.Close())
}
