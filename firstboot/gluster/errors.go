package gluster

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"berries/firstboot/host"
)

// Failures that a step can do something about. An *Error is one of them where
// errors.Is says so.
var (
	// ErrNotRunning: glusterd is not there (yet).
	ErrNotRunning = errors.New("glusterd is not running")
	// ErrNoVolume: this node's glusterd knows no volume of that name.
	ErrNoVolume = errors.New("there is no such volume")
	// ErrBusy: another command, on this node or another, changes the volume just now.
	ErrBusy = errors.New("another transaction is in progress")
)

// Error is a command that glusterd, or gluster itself, has refused.
type Error struct {
	Cmd      string // as a person would type it
	OpRet    int    // never 0
	OpErrno  int    // gluster's own number or one of errno(3); often 0
	OpErrstr string // gluster's own words, which may be several lines
}

func (e *Error) Error() string {
	words := strings.Join(strings.Split(strings.TrimSpace(e.OpErrstr), "\n"), "; ")
	if words == "" {
		words = "it failed and does not say why"
	}
	return e.Cmd + ": " + words
}

// Numbers of gluster's own (enum gf_op_errno in rpc/rpc-lib/src/protocol-common.h).
const (
	errnoBusy     = 30802
	errnoNoVolume = 30806
)

// noVolume is how the commands that have no number for it say so.
var noVolume = regexp.MustCompile(`(^|\n|; )Volume \S+ does not exist$`)

// Is tells the failures above apart: by gluster's number where it has one, else by
// its words.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotRunning:
		return strings.Contains(e.OpErrstr, "Please check if gluster daemon is operational")
	case ErrNoVolume:
		return e.OpErrno == errnoNoVolume || noVolume.MatchString(e.OpErrstr)
	case ErrBusy:
		return e.OpErrno == errnoBusy || strings.Contains(e.OpErrstr, "Another transaction is in progress")
	}
	return false
}

// failure is the error of an answer that is one.
func (r *reply) failure(cmd host.Cmd) *Error {
	return &Error{Cmd: cmd.String(), OpRet: *r.OpRet, OpErrno: r.OpErrno, OpErrstr: r.OpErrstr}
}

// refused is the error of a command that has answered with plain text and an exit
// status. One that was stopped, or is not installed, stays what it is.
func refused(ctx context.Context, err error) error {
	ce, ran := errors.AsType[*host.CommandError](err)
	if !ran || ce.ExitCode < 0 || ctx.Err() != nil {
		return err
	}
	return &Error{Cmd: ce.Cmd, OpRet: -1, OpErrstr: ce.Output}
}
