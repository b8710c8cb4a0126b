package report

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Where the peer service has what a node tells.
const (
	Path        = "/report"  // a Report: of the node that is asked
	ClusterPath = "/cluster" // a Cluster: of all nodes that it reaches
)

// answerLimit is how long an answer, and its way to who asks, may take.
const answerLimit = 10 * time.Second

// Own serves the node's Report.
func (r *Reporter) Own() http.Handler {
	return serve(func(ctx context.Context) any { return r.Report(ctx) })
}

// All serves the Cluster.
func (r *Reporter) All() http.Handler {
	return serve(func(ctx context.Context) any { return r.Cluster(ctx) })
}

func serve(what func(context.Context) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// An error is of a connection that knows no deadlines.
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerLimit))
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(what(req.Context())) // an error is the asker's going away
	})
}
