package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

const updatePath = "/var/lib/berry/ddclient.json"

// update is the last update that this step has sent, as it lies on the card. Nobody
// but this step writes or reads it.
type update struct {
	Config string `json:"config"` // sum of the configuration it was sent with
	// Words are what the provider or ddclient said to it; "" where it went well.
	Words string `json:"words"`
	// Hint is what a person may do about it.
	Hint string `json:"hint"`
	// Refusals counts how often it was refused in a row.
	Refusals int       `json:"refusals"`
	Until    time.Time `json:"until"` // no further update is sent before
}

// patienceLimit is the longest wait. A longer one comes from a clock that was wrong.
const patienceLimit = 24 * time.Hour

// waits tells whether no further update may be sent yet.
func (u update) waits(now time.Time) bool {
	left := u.Until.Sub(now)
	return left > 0 && left <= patienceLimit
}

// failed is u with what came of it, at a time.
func (u update) failed(words string, k kind, at time.Time) update {
	wait := k.first
	if k.first < k.most {
		wait = min(k.first<<min(u.Refusals, 10), k.most)
		u.Refusals++
	}
	u.Words, u.Hint, u.Until = words, k.hint, at.Add(wait).UTC().Truncate(time.Second)
	return u
}

func (u update) err(d node.DDNS) error {
	return fmt.Errorf("%s was not updated: %s; %s; tried again after %s; to try at once, type: rm %s",
		d.Host, u.Words, u.Hint, u.Until.Format("2006-01-02 15:04 MST"), updatePath)
}

// last reads the last update with this configuration. None, one with another, and a
// file that is broken are the same: an update is due.
func (d dynamic) last(sum string) (update, error) {
	data, err := d.h.Files.Read(updatePath)
	if errors.Is(err, fs.ErrNotExist) {
		return update{}, nil
	}
	if err != nil {
		return update{}, err
	}
	var u update
	if json.Unmarshal(data, &u) != nil || u.Config != sum {
		return update{}, nil
	}
	return u, nil
}

func (d dynamic) note(u update) error {
	data, err := json.Marshal(u)
	if err != nil {
		return err
	}
	if err := d.h.Files.Mkdir(path.Dir(updatePath), 0o755); err != nil {
		return err
	}
	return d.h.Files.Replace(updatePath, append(data, '\n'), node.Mode)
}

// ddclientActs is how long ddclient may take: it tries every address of two servers,
// each for at most half a minute.
const ddclientActs = 5 * time.Minute

// send sends one update and notes what came of it. That one is on its way is noted
// before, so that a cut counts as an update that failed.
func (d dynamic) send(ctx context.Context, sum string) error {
	before, err := d.last(sum)
	if err != nil {
		return err
	}
	if err := d.h.Units.Stop(ctx, ddclient); err != nil {
		return err
	}
	if before.Config != "" && before.Words == "" {
		if err := d.takeOver(sum); err != nil {
			return err
		}
	}
	u := update{Config: sum, Refusals: before.Refusals}.failed("nobody waited for the answer", unreached, d.h.Clock.Now())
	if err := d.note(u); err != nil {
		return err
	}
	// Neither -debug nor -verbose: they print the password.
	res, err := timed{d.h.Runner, ddclientActs}.Run(ctx, host.Command("ddclient", "-daemon=0", "-force", "-noquiet"))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if ce, ran := errors.AsType[*host.CommandError](err); ran && ce.ExitCode < 0 {
		return fmt.Errorf("cannot send an update: %w", err)
	}
	return d.judge(u, before, string(res.Stdout)+"\n"+string(res.Stderr))
}

// takeOver notes an update of the service's that has failed, if it was just now.
func (d dynamic) takeOver(sum string) error {
	state, err := d.cached()
	if err != nil {
		return err
	}
	u := update{Config: sum}.failed("ddclient could not keep it up to date: "+state.String(), unreached, state.tried)
	if u.waits(d.h.Clock.Now()) {
		return errors.Join(d.note(u), u.err(d.d))
	}
	return nil
}

// judge notes what came of an update: what ddclient printed, and its cache. Its exit
// status tells nothing: it is 0 where no address was found.
func (d dynamic) judge(u, before update, printed string) error {
	state, err := d.cached()
	if err != nil {
		return err
	}
	words, took := answerIn(printed, d.d)
	if took && state.status == good {
		return d.note(update{Config: u.Config})
	}
	if took {
		words = "ddclient says that it was, and its cache says: " + state.String()
	}
	u = update{Config: u.Config, Refusals: before.Refusals}.failed(words, kindOf(words), d.h.Clock.Now())
	if state.wait.After(u.Until) {
		u.Until = state.wait
	}
	if latest := d.h.Clock.Now().Add(patienceLimit); u.Until.After(latest) {
		u.Until = latest
	}
	return errors.Join(d.note(u), u.err(d.d))
}
