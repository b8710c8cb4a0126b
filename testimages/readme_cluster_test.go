package testimages_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"berries/builder/secrets"
	"berries/builder/watch/watchtest"
	"berries/firstboot/report"
	"berries/firstboot/status"
	"berries/firstboot/support"
)

// looks has berry look at README's cluster, in which every node is ready, as one of them
// tells. Whoever watches has enough after two seconds.
func (d desk) looks(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	folder, err := secrets.Open("berries.secrets")
	if err != nil {
		t.Fatal(err)
	}
	c := report.Cluster{Name: "berries", From: "cluster02"}
	for _, name := range []string{"cluster01", "cluster02", "cluster03", "cluster04", "balancer"} {
		c.Nodes = append(c.Nodes, report.Node{Name: name, Report: &report.Report{Status: status.Status{Ready: true}, Words: "ready"}})
	}
	told, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var bundle bytes.Buffer
	packed := gzip.NewWriter(&bundle)
	if err := errors.Join(tar.NewWriter(packed).Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	at, stop, err := watchtest.Node{Name: "cluster02", Says: map[string][]byte{
		report.ClusterPath: told, support.LogsPath: []byte("logs\n"), support.BundlePath: bundle.Bytes(),
	}}.Start(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	ctx := t.Context()
	if args[0] == "watch" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
	}
	return d.berryUntil(ctx, append(args, "--at", at)...)
}
