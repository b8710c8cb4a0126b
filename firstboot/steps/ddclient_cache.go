package steps

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

const ddclientCache = "/var/cache/ddclient/ddclient.cache"

// good is the status of an update that the provider took, in ddclient's cache.
const good = "good"

// cacheEntry is what ddclient's cache says of the host.
type cacheEntry struct {
	status string    // good, or what the provider said last; "" where there is nothing
	tried  time.Time // the last update
	wait   time.Time // the provider wants none before
}

func (e cacheEntry) String() string {
	if e.status == "" {
		return "its cache has gone"
	}
	return e.status
}

// cached reads ddclient's cache: for each host a line of name=value,... and the host.
func (d dynamic) cached() (cacheEntry, error) {
	data, err := d.h.Files.Read(ddclientCache)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cacheEntry{}, err
	}
	for line := range strings.Lines(string(data)) {
		list, host, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(line, "#") || !strings.EqualFold(host, d.d.Host) {
			continue
		}
		is := map[string]string{}
		for part := range strings.SplitSeq(list, ",") {
			name, value, _ := strings.Cut(part, "=")
			is[name] = value
		}
		e := cacheEntry{is["status"], seconds(is["atime"]), seconds(is["wtime"])}
		// Each update makes both bad, and some protocols make only one good again;
		// easydns calls that NOERROR.
		if took := []string{good, "NOERROR"}; slices.Contains(took, is["status"]) || slices.Contains(took, is["status-ipv4"]) {
			e.status = good
		}
		return e, nil
	}
	return cacheEntry{}, nil
}

// seconds is a time in ddclient's cache; 0 is none.
func seconds(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0)
}
