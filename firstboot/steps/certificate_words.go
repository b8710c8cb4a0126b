package steps

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// mdJob is what mod_md notes of the certificate that it is about to get, as far as we
// read it. Once Apache uses that, the note is gone.
type mdJob struct {
	Finished bool   `json:"finished"` // the certificate waits to be used
	Errors   int    `json:"errors"`   // in a row
	NextRun  string `json:"next-run"` // a date as HTTP has it
	Last     struct {
		Description string `json:"status-description"` // the system's word for it, such as Connection refused
		Problem     string `json:"problem"`            // the authority's, RFC 8555 section 6.7
		Detail      string `json:"detail"`
		Activity    string `json:"activity"` // what it was at
	} `json:"last"`
}

// job reads the note; the zero value where there is none, or half a one.
func (m managed) job(b balancer) (mdJob, error) {
	data, err := m.h.Files.Read(b.stored("staging", "job.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return mdJob{}, err
	}
	var j mdJob
	if json.Unmarshal(data, &j) != nil {
		return mdJob{}, nil
	}
	return j, nil
}

// words are why the last try has failed, when the next one is, and what a person may do.
func (m managed) words(b balancer, j mdJob) string {
	const most = 300
	text, _, _ := strings.Cut(j.Last.Detail, ". If this problem persists") // a page of advice
	hint := "see whether " + strings.Join(b.names(), " and ") + " lead to this node, and port 80 with them"
	switch {
	case strings.HasPrefix(j.Last.Activity, "Monitoring challenge"):
		if why := m.refusal(); why != "" {
			text = why
		}
	case j.Last.Problem == "": // it was not the authority that said so
		text = strings.Trim(text+": "+j.Last.Description, ": ")
		hint = "see whether this node reaches " + b.HTTPS.ACME.Server
		if u, err := url.Parse(b.HTTPS.ACME.Server); err == nil {
			hint = "see whether this node reaches " + u.Host
		}
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	if at, err := http.ParseTime(j.NextRun); err == nil {
		text += "; tried again at " + at.UTC().Format("2006-01-02 15:04 MST")
	}
	return text + "; " + hint
}

// refusedShape finds in a line of Apache's log the authority's answer for a name.
var refusedShape = regexp.MustCompile(`challenge 'invalid' for (\S+) at .* Exact response was: (\{.*\})`)

// refusal is why the authority did not believe that a name is ours, in its own words:
// the last in Apache's log, since mod_md notes it nowhere else. It is "" where there is
// none, such as in a log that is new.
func (m managed) refusal() string {
	const enough = 256 << 10
	f, err := m.h.Files.Open("/var/log/apache2/error.log")
	if err != nil {
		return ""
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		f.Seek(max(0, size-enough), io.SeekStart)
	}
	log, _ := io.ReadAll(io.LimitReader(f, enough))
	found := refusedShape.FindAllSubmatch(log, -1)
	if found == nil {
		return ""
	}
	last := found[len(found)-1]
	var answer struct {
		Challenges []struct{ Error struct{ Detail string } }
	}
	// The log has every backslash twice.
	if json.Unmarshal([]byte(strings.ReplaceAll(string(last[2]), `\\`, `\`)), &answer) != nil {
		return ""
	}
	for _, c := range answer.Challenges {
		if c.Error.Detail != "" {
			return string(last[1]) + ": " + c.Error.Detail
		}
	}
	return ""
}
