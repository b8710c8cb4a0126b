package cli

import (
	"fmt"
	"slices"
	"strings"
)

// The exit codes of all commands.
const (
	exitOK          = 0
	exitFailed      = 1   // the work could not be done
	exitUsage       = 2   // the command line makes no sense
	exitMistakes    = 3   // the profile has mistakes; nothing was written
	exitBadImage    = 4   // an image was checked and found bad
	exitNotReady    = 5   // not every node of the cluster is ready
	exitInterrupted = 130 // stopped by the person
)

// exit is an exit code and what it means, in the words of help and of the man pages.
type exit struct {
	code  int
	means string
}

var allExits = []exit{
	{exitOK, "done"},
	{exitFailed, "failed"},
	{exitUsage, "wrong command line"},
	{exitMistakes, "mistakes in the profile (nothing was written)"},
	{exitBadImage, "an image is bad"},
	{exitNotReady, "not every node is ready"},
	{exitInterrupted, "interrupted"},
}

// everyExit are the codes that every command has.
var everyExit = []int{exitOK, exitFailed, exitUsage, exitInterrupted}

// exitCodes is the end of the Long of a command that may end in all ways.
var exitCodes = exits(exitMistakes, exitBadImage, exitNotReady)

// exits is the end of the Long of a command: how it may end, in these ways beside those
// that every command has.
func exits(codes ...int) string {
	var list []string
	for _, e := range allExits {
		if slices.Contains(everyExit, e.code) || slices.Contains(codes, e.code) {
			list = append(list, fmt.Sprintf("%d %s", e.code, e.means))
		}
	}
	return "\n" + exitsBegin + folded(strings.Join(list, ", ")+".", len(exitsBegin), 80)
}

const exitsBegin = "Exit codes: "

// folded breaks text into lines of at most width, the first of which begins at a column.
func folded(text string, column, width int) string {
	var out strings.Builder
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			out.WriteString("\n")
			column = 0
		default:
			out.WriteString(" ")
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String()
}

// exitsIn reads the exit codes out of a command's Long, and gives what stands before them.
func exitsIn(long string) (text string, list []exit) {
	text, sentence, _ := strings.Cut(long, exitsBegin)
	sentence = strings.TrimSuffix(strings.Join(strings.Fields(sentence), " "), ".")
	for _, one := range strings.Split(sentence, ", ") {
		var e exit
		if n, err := fmt.Sscanf(one, "%d", &e.code); err != nil || n != 1 {
			continue
		}
		_, e.means, _ = strings.Cut(one, " ")
		list = append(list, e)
	}
	return strings.TrimSpace(text), list
}
