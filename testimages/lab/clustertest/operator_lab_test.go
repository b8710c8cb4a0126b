//go:build lab

package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berries/builder/secrets"
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/report"
	"berries/testimages/lab/cluster"
	"berries/testimages/lab/labtest"
)

// operated looks at the whole cluster from a workstation at home, which finds the storage
// nodes by mDNS and the others through them.
func operated(t *testing.T, c *whole) {
	s, err := c.lab.Attach(t.Context(), "operator", netip.MustParseAddr("192.168.2.211"))
	if err != nil {
		t.Fatal(err)
	}
	o := desk{s, filepath.Join(labtest.Folder(t), "berries.yaml")}
	o.types(t, 0, "watch", "--wait", "ready", "--timeout", "3m")
	all := append(slices.Clone(c.names), balancer)
	// A file that is being written counts as one to heal for a second, and a session that
	// stood still is begun again.
	var lacks string
	within(t, copyLimit, "berry status tells of five nodes that are well", func() bool {
		var is report.Cluster
		if err := json.Unmarshal([]byte(o.types(t, 0, "status", "--json")), &is); err != nil {
			t.Fatal(err)
		}
		was := lacks
		if lacks = lacking(is, all); lacks != "" && lacks != was {
			t.Log(lacks)
		}
		return lacks == ""
	})
	t.Logf("berry status:\n%s", o.types(t, 0, "watch", "--once"))
	for _, name := range all {
		if text := o.types(t, 0, "logs", name, "--lines", "2000"); !strings.Contains(text, "berry-firstboot: ready") {
			t.Errorf("the logs of %s do not say that it is ready:\n%.2000s", name, text)
		}
	}
	bundle := filepath.Join(t.TempDir(), "fault.tar.gz")
	o.types(t, 0, "support", "-o", bundle)
	dir := t.TempDir()
	if _, err := (host.Exec{}).Run(t.Context(), host.Command("tar", "-C", dir, "-xzf", bundle)); err != nil {
		t.Fatal(err)
	}
	c.holdsNoSecret(t, filepath.Join(dir, "berries-support"), all)
}

// desk is the operator's workstation.
type desk struct {
	*cluster.Stranger
	profile string
}

// types has berry do something with the profile, and gives what it prints.
func (o desk) types(t *testing.T, code int, verb string, rest ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	cmd := host.Command(os.Getenv("BERRY_BIN"), append([]string{verb, o.profile}, rest...)...)
	res, err := o.Run(ctx, cmd)
	if got := max(host.ExitCode(err), 0); got != code || err != nil && code == 0 {
		t.Fatalf("berry %s: exit code %d, want %d: %v\n%s%s", verb, got, code, err, res.Stdout, res.Stderr)
	}
	t.Logf("berry %s %s: %s", verb, strings.Join(rest, " "), seconds(time.Since(began)))
	return string(res.Stdout)
}

// lacking says what a report of five nodes lacks that are well.
func lacking(is report.Cluster, all []string) string {
	var lacks []string
	for _, name := range all {
		at := slices.IndexFunc(is.Nodes, func(n report.Node) bool { return n.Name == name })
		if at < 0 || is.Nodes[at].Report == nil {
			lacks = append(lacks, fmt.Sprintf("there is no report of %s: %+v", name, is.Nodes))
			continue
		}
		r := is.Nodes[at].Report
		switch {
		case !r.Status.Ready || r.Web == nil || !r.Web.Serving || r.Versions["berry-firstboot"] == "" || len(r.Addresses) == 0 || r.Uptime == 0:
			lacks = append(lacks, fmt.Sprintf("%s tells %+v", name, r))
		case name != balancer && (r.Brick == nil || r.Brick.State != report.Online || r.Brick.Used == 0 || r.Brick.Size <= r.Brick.Used):
			lacks = append(lacks, fmt.Sprintf("%s has the brick %+v", name, r.Brick))
		case name == remote && (r.GeoRep == nil || r.GeoRep.State != report.Whole):
			lacks = append(lacks, fmt.Sprintf("%s has the copy %+v", name, r.GeoRep))
		case name != remote && name != balancer && (r.Heal == nil || *r.Heal != 0):
			lacks = append(lacks, fmt.Sprintf("%s has files to heal", name))
		case name != remote && name != balancer && (r.GeoRep == nil || r.GeoRep.State != "Active" && r.GeoRep.State != "Passive"):
			lacks = append(lacks, fmt.Sprintf("%s has the session %+v", name, r.GeoRep))
		}
		for _, step := range r.Status.Steps {
			if step.Note != "" {
				lacks = append(lacks, fmt.Sprintf("%s, %s: %s", name, step.Name, step.Note))
			}
		}
	}
	return strings.Join(lacks, "\n")
}

// holdsNoSecret looks through an unpacked bundle for every secret of the cluster.
func (c *whole) holdsNoSecret(t *testing.T, dir string, all []string) {
	t.Helper()
	folder, err := secrets.Open(filepath.Join(labtest.Folder(t), "berries.secrets"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := folder.Private()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		list = append(list, c.file(t, name).Secrets()...)
		// What glusterd has made, and what the base has.
		list = append(list, strings.Fields(c.ask(t, name, `sed -n s/^password=//p /var/lib/glusterd/vols/*/info 2>/dev/null; sed -n 's/^[^:]*:\(\$[^:]*\):.*/\1/p' /etc/shadow`))...)
	}
	var forms []string // lines, since a log has no more of a key
	for _, secret := range list {
		least := 12 // of a key; its last line may be "="
		if !strings.Contains(strings.TrimSpace(secret), "\n") {
			least = 4
		}
		for line := range strings.Lines(secret) {
			if line = strings.TrimSpace(line); len(line) >= least && !strings.HasPrefix(line, "-----") {
				forms = append(forms, line)
			}
		}
	}
	if len(forms) < 10*len(all) {
		t.Fatalf("only %d secrets are known", len(forms))
	}
	count := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		count++
		text, err := os.ReadFile(path)
		for _, form := range forms {
			if strings.Contains(string(text), form) {
				t.Errorf("%s holds a secret, which begins with %.4q", path, form)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files hold none of %d secrets", count, len(forms))
	c.holdsTheRest(t, dir, all)
}

// holdsTheRest looks for what has to be in a bundle: the search would find nothing in an
// empty one.
func (c *whole) holdsTheRest(t *testing.T, dir string, all []string) {
	t.Helper()
	for _, name := range all {
		text, err := os.ReadFile(filepath.Join(dir, name, "node.json"))
		if err != nil || !strings.Contains(string(text), node.Blank) || !strings.Contains(string(text), c.file(t, name).ID) {
			t.Errorf("the node file of %s, without its secrets: %v\n%s", name, err, text)
		}
		for _, file := range []string{"status.json", "report.json", "logs/journal-berry-firstboot.service.txt"} {
			if info, err := os.Stat(filepath.Join(dir, name, file)); err != nil || info.Size() < 100 {
				t.Errorf("%s of %s: %v", file, name, err)
			}
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "unreachable.txt")); err == nil {
		t.Errorf("somebody was not reached: %s", text)
	}
}
