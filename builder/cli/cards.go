package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"berries/builder/card"
	"berries/firstboot/host"
)

// found is a disk of this machine, and why it is not offered.
type found struct {
	card.Device
	Refused string `json:"refused,omitempty"`
}

// findCards looks at all disks of this machine. Those that are refused are not read.
func findCards(ctx context.Context, machine card.Machine, size int64, allow card.Allow) ([]found, error) {
	devices, err := machine.Devices()
	if err != nil {
		return nil, err
	}
	all := make([]found, len(devices))
	for i, d := range devices {
		all[i].Device = d
		if err := card.Refuse(d, size, allow); err != nil {
			all[i].Refused = err.Error()
			continue
		}
		all[i].Look(ctx, host.Exec{})
	}
	return all, nil
}

// listCards does what flash --list says.
func listCards(ctx context.Context, env Env, a []string, f flashFlags) error {
	if len(a) > 0 {
		return hinted{usageError{errors.New("flash --list takes no image")}, "berry flash --list"}
	}
	machine, err := card.ThisMachine()
	if err != nil {
		return refused(err)
	}
	all, err := findCards(ctx, machine, 0, f.allow)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(env.Stdout, all)
	}
	return printCards(env.Stdout, all)
}

// printCards lists the cards by number, and then what is no card.
func printCards(w io.Writer, all []found) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	n := 0
	for _, d := range all {
		if d.Refused == "" {
			n++
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", n, d.Path, d.What(), d.Holds())
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n == 0 {
		fmt.Fprintln(w, "no cards are in this machine")
	}
	for _, d := range all {
		if d.Refused != "" {
			fmt.Fprintln(w, "not offered: "+d.Refused)
		}
	}
	return nil
}

// choose lists the cards that the image fits on, and asks for one.
func (j *flashJob) choose(ctx context.Context, env Env, machine card.Machine, f flashFlags) error {
	all, err := findCards(ctx, machine, j.image.Size, f.allow)
	if err != nil {
		return err
	}
	if err := printCards(env.Stderr, all); err != nil {
		return err
	}
	var cards []string
	for _, d := range all {
		if d.Refused == "" {
			cards = append(cards, d.Path)
		}
	}
	switch {
	case len(cards) == 0:
		return hinted{errors.New("there is no card to write on"), "put one in; --allow-fixed and --allow-large offer more"}
	case !env.Interactive:
		return hinted{usageError{errors.New("flash needs to be told which card")}, command([]*flashJob{{named: j.named, device: cards[0]}}, f)}
	}
	answer, err := ask(ctx, env, "Which one? Its number, or its path: ")
	if err != nil {
		return err
	}
	j.device = answer
	if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(cards) {
		j.device = cards[n-1]
	}
	if !strings.HasPrefix(j.device, "/") {
		return hinted{fmt.Errorf("%q is none of them; nothing was written", answer), command([]*flashJob{{named: j.named, device: cards[0]}}, f)}
	}
	return nil
}

// ask prints a question and reads the line that a person types.
func ask(ctx context.Context, env Env, question string) (string, error) {
	fmt.Fprint(env.Stderr, question)
	type reply struct {
		line string
		err  error
	}
	replies := make(chan reply, 1) // nobody takes it when the person presses Ctrl-C
	go func() {
		line, err := readLine(env.Stdin)
		replies <- reply{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(env.Stderr)
		return "", interrupted{context.Cause(ctx), "nothing was written"}
	case r := <-replies:
		if r.err != nil {
			return "", fmt.Errorf("no answer was given; nothing was written: %w", r.err)
		}
		return strings.TrimSpace(r.line), nil
	}
}

// readLine reads up to the end of the line and no further: another question may come.
func readLine(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for {
		n, err := r.Read(one)
		if n == 1 && one[0] != '\n' {
			line = append(line, one[0])
		}
		if n == 1 && one[0] == '\n' || errors.Is(err, io.EOF) && len(line) > 0 {
			return string(line), nil
		}
		if err != nil {
			return "", err
		}
	}
}
