package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"berries/firstboot/georep"
	"berries/firstboot/gluster"
	"berries/firstboot/status"
)

// What a remote node's copy is.
const (
	Whole  = "whole"  // it has all that was written until some minutes ago
	Behind = "behind" // it has not, or does not know
)

// overdue is how old the last proof of the copy gets while all is well: one is asked for
// every two minutes.
const overdue = 10 * time.Minute

// copy is how the copy of the volume stands, as this end of it sees that. GlusterFS is
// not asked here either (see brick): gsyncd keeps its state in files.
func (r *Reporter) copy(now time.Time) func(*Report) {
	var is *GeoRep
	switch {
	case r.f.GeoRep != nil:
		is = r.primary(now)
	case r.f.Secondary != nil:
		is = r.secondary(now)
	}
	return func(report *Report) { report.GeoRep = is }
}

// primary is what a storage node knows; nil where there is no session yet.
func (r *Reporter) primary(now time.Time) *GeoRep {
	dir := georep.SessionDir(r.f.Gluster.Volume, r.f.GeoRep.Remote)
	monitor, err := r.h.Files.Read(dir + "/monitor.status")
	if err != nil {
		return nil
	}
	is := &GeoRep{State: strings.TrimSpace(string(monitor)), Words: r.proved(now)}
	if is.State != "Started" {
		return is
	}
	var worker struct {
		Status string `json:"worker_status"`
	}
	file := dir + "/brick_" + strings.ReplaceAll(r.f.Brick.Dir, "/", "%2F") + ".status"
	if text, err := r.h.Files.Read(file); err == nil && json.Unmarshal(text, &worker) == nil && worker.Status != "" {
		is.State = worker.Status
	}
	return is
}

// proved says what the step georep has found out, where that is not as it should be.
func (r *Reporter) proved(now time.Time) string {
	if s, err := status.Read(r.h.Files); err == nil {
		for _, step := range s.Steps {
			if step.Name == "georep" && step.State == status.Failed {
				return step.Error
			}
		}
	}
	known, err := status.ReadCopy(r.h.Files)
	if known == nil || err != nil || now.Sub(known.Proven) < overdue {
		return ""
	}
	return known.Text()
}

// secondary is what the remote node knows. It looks into its brick, which holds all files
// of the volume: what is mounted may hang.
func (r *Reporter) secondary(now time.Time) *GeoRep {
	dir := r.f.Brick.Dir + "/"
	record, err := r.h.Files.Read(gluster.RecordPath(r.f.Gluster.Volume))
	if err != nil {
		return nil
	}
	if id := gluster.IDOf(record); !r.h.Files.Exists(dir + georep.WholeFile(id)) {
		return &GeoRep{Behind, "the copy is not whole yet, and is shown to nobody"}
	}
	// A file arrives empty, and gets its content then.
	text, _ := r.h.Files.Read(dir + georep.SentinelFile)
	last := georep.ParseSentinel(text).Written
	if last.IsZero() {
		return &GeoRep{Behind, "nothing is known to have arrived yet"}
	}
	if now.Sub(last) >= overdue {
		return &GeoRep{Behind, fmt.Sprintf("nothing has arrived that was written after %s", last.Local().Format(time.DateTime))}
	}
	return &GeoRep{State: Whole}
}
