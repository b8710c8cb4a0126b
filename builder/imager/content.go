package imager

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"berries/builder/pack"
)

// types are what a browser is told of the files.
var types = map[pack.Form]string{pack.Raw: "application/octet-stream", pack.XZ: "application/x-xz", pack.Zstd: "application/zstd"}

// serveList serves the list, with the address under which it was asked for.
func (s *Server) serveList(w http.ResponseWriter, r *http.Request) {
	images, err := Find(s.Dir)
	if err != nil {
		http.Error(w, "the images cannot be listed", http.StatusInternalServerError)
		s.Log(fmt.Sprintf("cannot list the images: %v", err))
		return
	}
	here := url.URL{Scheme: "http", Host: r.Host, Path: "/" + s.Token}
	list, err := json.MarshalIndent(NewList(images, func(i Image) string { return here.JoinPath(i.File.File).String() }), "", "  ")
	if err != nil {
		http.Error(w, "the images cannot be listed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(list)+"\n"))
}

// file is a file that a manifest of the folder names; no other is served.
func (s *Server) file(name string) (pack.File, bool) {
	if _, ok := pack.FormOf(name); !ok || strings.ContainsAny(name, `/\`) {
		return pack.File{}, false
	}
	raws, err := manifests(s.Dir)
	if err != nil {
		return pack.File{}, false
	}
	for _, raw := range raws {
		image, err := read(raw, true)
		if err != nil {
			continue
		}
		for _, f := range files(image.Manifest) {
			if f.File == name {
				return f, true
			}
		}
	}
	return pack.File{}, false
}

// serveFile serves a file of the folder, unless a link leads out of that. It is false when
// there is no such file.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request, f pack.File) bool {
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return false
	}
	defer root.Close()
	content, err := root.Open(f.File)
	if err != nil {
		return false
	}
	defer content.Close()
	info, err := content.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
		return false
	}
	w.Header().Set("Content-Type", types[f.Form])
	w.Header().Set("ETag", `"`+f.SHA256+`"`)
	http.ServeContent(w, r, "", time.Time{}, content)
	return true
}
