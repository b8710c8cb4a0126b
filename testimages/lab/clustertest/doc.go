// Package clustertest holds the tests of a cluster as a whole, and nothing else: three
// nodes (or six, or the remote one) boot in a lab from their images, in any order, and
// lose power, their addresses and their cards.
//
// What they hold the cluster to is looked at from outside: by a visitor on the LAN who
// knows no more than addresses and ports, by the files that lie on the bricks, and by
// what gluster answers. A node's own word is only what is waited for.
//
// The tests have the build tag lab and are run by make test-lab, as root. How much they
// do is in the environment: BERRY_CUTS (power cuts while the cluster is set up, 6),
// BERRY_LATE (how much later than the others the last node comes, 10s), BERRY_SEED
// (of what is left to chance, which a test logs) and BERRY_LONG (not empty: all orders
// of start and more losses; make test-lab LONG=yes also runs the six nodes). They log
// how long everything takes.
package clustertest
