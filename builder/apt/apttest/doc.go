// Package apttest makes a small Debian mirror for tests: real packages, real
// indexes, and Release files signed with a key of the test's own, served over
// HTTP on this machine. Sources and Base are the files that make a base image
// use it.
//
// Package apt has no part in making it; apt-get itself accepts it. Packages
// and indexes are the same bytes every time; keys and signatures are not.
package apttest
