package steps

import (
	"regexp"
	"strings"
	"time"

	"berries/firstboot/node"
)

// kind is a way in which an update can fail.
type kind struct {
	says *regexp.Regexp // what ddclient prints then
	// The next update is sent after first, and twice as late each time it is refused
	// again, up to most.
	first, most time.Duration
	hint        string // what a person may do about it
}

// unreached is that nothing came back. ddclient waits five minutes then
// (min-error-interval), and so do we.
var unreached = kind{regexp.MustCompile(`(?i)could not connect|cannot connect|cannot send|timeout|curl error|determine|found neither`),
	5 * time.Minute, 5 * time.Minute, "see whether this node reaches the internet"}

// kinds are tried in their order; the last fits always. Providers take clients off
// that send again and again what was refused, and want half an hour of peace while
// they have a fault of their own (the return codes of dyndns2).
var kinds = []kind{
	{regexp.MustCompile(`^abuse|\(abuse`), 8 * time.Hour, 8 * time.Hour, "have the provider take the block off the name"},
	{regexp.MustCompile(`badauth|authorization failed|authentication failed|not authorized`), halfAnHour, 8 * time.Hour,
		"correct login and password of ddns in the profile, and build the card anew"},
	{regexp.MustCompile(`nohost|notfqdn|!yours|!active|numhost`), halfAnHour, 8 * time.Hour,
		"correct host and login of ddns in the profile, and build the card anew, or add the name at the provider"},
	{regexp.MustCompile(`dnserr|\(911|HTTP/\S+ 5`), halfAnHour, halfAnHour, "the fault is the provider's"},
	unreached,
	{regexp.MustCompile(``), halfAnHour, 8 * time.Hour, "ask the provider what it means"},
}

const halfAnHour = 30 * time.Minute

func kindOf(words string) kind {
	for _, k := range kinds[:len(kinds)-1] {
		if k.says.MatchString(words) {
			return k
		}
	}
	return kinds[len(kinds)-1]
}

// answerIn finds in what ddclient prints whether the provider took the update, and else
// the words that say why not: the first line that says FAILED or FATAL, else the first
// that warns. Nochg is a warning, and says that the name has that address already.
func answerIn(printed string, d node.DDNS) (words string, took bool) {
	var failed, warned string
	for line := range strings.Lines(printed) {
		level, text, _ := strings.Cut(strings.TrimSpace(line), ":")
		text = strings.TrimPrefix(strings.TrimSpace(text), "updating "+d.Host+": ")
		switch {
		case level == "SUCCESS", level == "WARNING" && strings.HasPrefix(text, "nochg"):
			took = true
		case (level == "FAILED" || level == "FATAL") && failed == "":
			failed = text
		case level == "WARNING" && warned == "":
			warned = text
		}
	}
	switch {
	case failed != "":
		return shown(failed, d), false
	case took:
		return "", true
	case warned != "":
		return shown(warned, d), false
	}
	return "the provider answered what ddclient does not understand", false
}

// shown is a line fit to be shown: short, with nothing secret, and with the end of a
// parenthesis that went on.
func shown(text string, d node.DDNS) string {
	const most = 200
	text = strings.ReplaceAll(text, d.Password, "[secret]")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	if strings.Count(text, "(") > strings.Count(text, ")") {
		text += ")"
	}
	return text
}
