// Package profiles turns the YAML profile that a person writes into a Cluster.
//
// Load reads the file into YAML nodes, which know their line and column, and
// walks them key by key: each part of the profile has one file here that reads
// it, fills in the defaults and judges it. Key files and secrets are read on
// the way, so that a Cluster needs nothing else. What is wrong becomes a
// Mistake with its place in the file, and reading goes on: a person sees every
// mistake at once. The words of all mistakes are in mistakes.go, the keys in
// schema.go.
//
// Nothing is written and nothing is fetched: that a base image can be
// downloaded, or that it holds the suite it should, is for the builder to see.
package profiles

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gopkg.in/yaml.v3"
)

// Env is what a profile may refer to outside itself.
type Env struct {
	Getenv  func(string) string // for keys that end in _env; nil: no variable is set
	HomeDir string              // what ~ stands for; empty: ~ is a mistake
	// BaseOverride, when set, is used in place of the profile's base: a
	// catalogue name, a URL or a file path as in a profile, except that
	// relative paths start at the current directory. The profile's own base
	// file then need not exist, and its sha256 does not count.
	BaseOverride string
	// Today is when certificates have to be valid; zero: now.
	Today time.Time
}

// now is the time by which certificates are judged.
func (e Env) now() time.Time {
	if e.Today.IsZero() {
		return time.Now()
	}
	return e.Today
}

// maxProfile is the size in bytes of the largest file that can be a profile.
const maxProfile = 64 << 10

// Load reads the profile at path. When the profile is wrong the error is a
// Report of all its mistakes; when it cannot be read, or the overriding base
// cannot be used, it is a plain error.
func Load(path string, env Env) (*Cluster, error) {
	data, err := readProfile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read profile: %w", err)
	}
	return load(path, data, env)
}

func readProfile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	if len(data) > maxProfile {
		return nil, fmt.Errorf("%s is larger than the %d KiB of any profile", path, maxProfile>>10)
	}
	return data, err
}

// load is Load for a file whose bytes are at hand.
func load(path string, data []byte, env Env) (*Cluster, error) {
	in := &reading{file: path, dir: filepath.Dir(path), env: env, bad: map[string]bool{}, told: map[Mistake]bool{}}
	cluster := in.cluster(data)
	if len(in.report) > 0 {
		in.report.sort()
		return nil, in.report
	}
	if env.BaseOverride == "" {
		return cluster, nil
	}
	base, p := in.override(env.BaseOverride)
	if p.exists() {
		return nil, fmt.Errorf("cannot use base %s: %w", env.BaseOverride, errors.New(p.message))
	}
	cluster.Base = base
	return cluster, nil
}

// cluster reads a whole profile. What it returns is worth something only when
// nothing was reported.
func (in *reading) cluster(data []byte) *Cluster {
	document := in.parse(data)
	if document == nil {
		return nil
	}
	if document.Kind != yaml.MappingNode {
		in.add(placeOf("", document), noMapping(kind(document)))
		return nil
	}
	m := in.mapping(document, placeOf("", document), "")
	c := &Cluster{
		Name:     readClusterName(m),
		Suite:    readSuite(m),
		TimeZone: readTimeZone(m),
		Locale:   readLocale(m),
		Keyboard: readKeyboard(m),
		User:     readUser(m),
		WiFi:     readWiFi(m),
		Volume:   readVolume(m),
		Apt:      readApt(m),
	}
	c.Base = readBase(m, c.Suite)
	c.RootSize, c.BrickSize = readSizes(m)
	c.Nodes = readNodes(m, readDDNS(m))
	c.StatusPage = readStatusPage(m, c.Nodes)
	c.Tunnel = readTunnel(m, c.Nodes)
	return c
}
