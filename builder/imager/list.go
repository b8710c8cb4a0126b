package imager

import (
	"fmt"
	"time"
)

// List is the file that Imager reads, in the words of its schema.
type List struct {
	Imager Imager  `json:"imager"`
	OSList []Entry `json:"os_list"`
}

// Imager is what a list tells Imager of itself.
type Imager struct {
	Devices []Device `json:"devices"`
}

// Device is a board that can be chosen.
type Device struct {
	Name         string   `json:"name"`
	Description  string   `json:"description"`
	Icon         string   `json:"icon"`
	Tags         []string `json:"tags"`
	MatchingType string   `json:"matching_type"`
}

// Entry is an image in the list.
type Entry struct {
	Name           string   `json:"name"`
	Description    string   `json:"description"`
	Icon           string   `json:"icon"`
	URL            string   `json:"url"`
	ExtractSize    int64    `json:"extract_size"`   // bytes of the raw image
	ExtractSHA256  string   `json:"extract_sha256"` // of the raw image
	DownloadSize   int64    `json:"image_download_size"`
	DownloadSHA256 string   `json:"image_download_sha256"`
	ReleaseDate    string   `json:"release_date"` // YYYY-MM-DD
	InitFormat     string   `json:"init_format"`
	Devices        []string `json:"devices"`
	Architecture   string   `json:"architecture"`
}

const (
	// finished has Imager offer no customisation.
	finished = "none"
	pictures = "https://downloads.raspberrypi.com/imager/icons/"
	osIcon   = "https://downloads.raspberrypi.com/raspios_arm64/Raspberry_Pi_OS_(64-bit).png"
)

// boards are, for a Debian architecture, Imager's name of it and the tags of the boards
// that boot it.
var boards = map[string]struct {
	name string
	tags []string
}{
	"arm64": {"armv8", []string{"pi5-64bit", "pi4-64bit", "pi3-64bit"}},
	"armhf": {"armhf", []string{"pi5-32bit", "pi4-32bit", "pi3-32bit", "pi2-32bit", "pi1-32bit"}},
}

// devices are all boards there are, as Imager's own list has them.
var devices = []Device{
	{"Raspberry Pi 5", "Models 5, 500 and Compute Module 5", pictures + "RPi_5.png", []string{"pi5-64bit", "pi5-32bit"}, "exclusive"},
	{"Raspberry Pi 4", "Models 4B, 400 and Compute Module 4", pictures + "RPi_4.png", []string{"pi4-64bit", "pi4-32bit"}, "exclusive"},
	{"Raspberry Pi 3", "Models 3A+, 3B, 3B+ and Compute Module 3", pictures + "RPi_3.png", []string{"pi3-64bit", "pi3-32bit"}, "exclusive"},
	{"Raspberry Pi Zero 2 W", "The Raspberry Pi Zero 2 W", pictures + "RPi_Zero_2_W.png", []string{"pi3-64bit", "pi3-32bit"}, "exclusive"},
	{"Raspberry Pi 2", "Model 2B", pictures + "RPi_2.png", []string{"pi2-32bit"}, "exclusive"},
	{"Raspberry Pi 1", "Models 1A+, 1B, 1B+ and Compute Module 1", pictures + "RPi_1.png", []string{"pi1-32bit"}, "exclusive"},
}

// NewList lists images; urlOf says where each can be had.
func NewList(images []Image, urlOf func(Image) string) List {
	l := List{Imager: Imager{Devices: []Device{}}, OSList: []Entry{}}
	used := map[string]bool{}
	for _, i := range images {
		m, board := i.Manifest, boards[i.Manifest.Base.Architecture]
		for _, tag := range board.tags {
			used[tag] = true
		}
		l.OSList = append(l.OSList, Entry{
			Name:           fmt.Sprintf("%s (%s)", m.Node, m.Role),
			Description:    fmt.Sprintf("Node of the cluster %s, finished: nothing to customise", m.Cluster),
			Icon:           osIcon,
			URL:            urlOf(i),
			ExtractSize:    m.Image.Size,
			ExtractSHA256:  m.Image.SHA256,
			DownloadSize:   i.File.Size,
			DownloadSHA256: i.File.SHA256,
			ReleaseDate:    m.Time.Format(time.DateOnly),
			InitFormat:     finished,
			Devices:        board.tags,
			Architecture:   board.name,
		})
	}
	for _, d := range devices {
		for _, tag := range d.Tags {
			if used[tag] {
				l.Imager.Devices = append(l.Imager.Devices, d)
				break
			}
		}
	}
	return l
}
