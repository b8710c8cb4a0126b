package gluster

import "strings"

// Debian's www-data, whose numbers are the same on every Debian (base-passwd).
const wwwData = "33"

// WebOptions are the options of a volume that Apache serves from small boards, to
// be set before its first start. Names are the common names of the nodes'
// certificates: who may mount it.
//
// All of them were accepted by GlusterFS 10.3 and, but for owner-gid and server
// quorum, 11.1. The sizes are judgement: nobody measured them on a Pi. Left at their
// defaults on purpose: the groups metadata-cache and nl-cache, which keep 200 000
// inodes in memory, and cluster.favorite-child-policy, which would settle a split
// brain by dropping one side's writes.
func WebOptions(names ...string) []Option {
	return []Option{
		// How long everybody waits for a node that has gone. Measured with three
		// nodes: writes stood still for 42 s at the default of 42, for 20 s at 10, for
		// 10 s at 5. Shorter ones take a busy Pi for a dead one.
		{"network.ping-timeout", "10"},
		// Writes need two of three copies. It is the default of replica 3, and
		// becomes none where a volume has ever had two.
		{"cluster.quorum-type", "auto"},
		// The default, too: server quorum stops the bricks of all volumes, and adds
		// nothing to the one above.
		{"cluster.server-quorum-type", "none"},
		// How often self-heal daemons look for what there is to heal, seconds. They also
		// do when a brick comes back; but what is written by a mount that has not met
		// that brick again, when they have, waits for the next look. The default is 600:
		// with one brick at a new address a file lacked its third copy for minutes.
		{"cluster.heal-timeout", "30"},
		// Per mount, on boards with 1 GB. The defaults are 32 MB and 128 MB
		// (gluster volume get V all).
		{"performance.cache-size", "16MB"},
		{"performance.quick-read-cache-size", "16MB"},
		// The root of the volume belongs to the web server.
		{"storage.owner-uid", wwwData},
		{"storage.owner-gid", wwwData},
		// Without the next three any machine of the network may mount the volume
		// and write to it. A brick whose node has no certificate starts all the
		// same, and counts as online.
		{"client.ssl", "on"},
		{"server.ssl", "on"},
		{"auth.ssl-allow", strings.Join(names, ",")},
	}
}
