// Package imager hands images on to Raspberry Pi Imager: it makes the list of images that
// Imager shows (os_list), and serves list and images in a network.
//
// Data flow: Find reads the manifests that builds have left beside images; NewList makes
// the list of them, with URLs of the caller's; a Server answers requests for the list and
// for what is in it, and for nothing else that lies there.
//
// The list follows Imager's own doc/json-schema/os-list-schema.json, as of Imager 2. Where
// a list comes from a URL of its own, it must also name the boards that Imager's first
// page offers, or that page stays empty. Images are finished: init_format "none" has
// Imager offer no customisation of them. (Imager 1 offers it all the same.)
//
// Images hold the secrets of their nodes, and Imager can neither log in nor use a
// certificate that is not known to its computer. So what keeps a served image from others
// is a path that nobody can guess.
package imager
