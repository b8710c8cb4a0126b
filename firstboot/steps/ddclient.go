package steps

import (
	"context"
	"fmt"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// DDClient keeps the node's name in the DNS pointing at its public address, which a
// router or its provider changes now and then.
//
// It needs the package ddclient and the internet. It leaves /etc/ddclient.conf, which
// only root may read, /etc/default/ddclient, one update of its own that the provider
// took (see updates), and from then on ddclient as a service, at every boot, which
// sends an update whenever the address changes.
//
// The service runs while the provider takes what it sends. Once ddclient's cache says
// that an update has failed, the service is stopped, and the step sends the next one
// itself, since only so it learns what the provider says, and when it may: ddclient
// would send a wrong password every five minutes. Until then the step fails at once,
// in the provider's words, without asking anybody. What it waits for is on the card,
// so that neither a reboot nor a restart of this program makes it ask sooner.
//
// Nothing on the node needs this step: one that cannot be found from outside goes on
// with everything else.
type DDClient struct{}

// Name implements Step.
func (DDClient) Name() string { return "ddclient" }

// Spared implements Spared.
func (DDClient) Spared() {}

// Look implements Step. It fails while the provider must not be asked again yet.
func (DDClient) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := dynamic{h, *f.DDNS}.differences(ctx)
	return stateOf(list), err
}

// Act implements Step. It waits for nothing but one answer of the provider.
func (DDClient) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return mendAll(ctx, say, func() ([]difference, error) { return dynamic{h, *f.DDNS}.differences(ctx) })
}

// dynamic does the work of the step.
type dynamic struct {
	h *host.Host
	d node.DDNS
}

const ddclient = "ddclient.service"

func (d dynamic) differences(ctx context.Context) ([]difference, error) {
	conf, err := d.conf(ctx)
	if err != nil {
		return nil, err
	}
	list, err := private(d.h, ddclientConf, conf)
	if err != nil {
		return nil, err
	}
	more, err := file(d.h, ddclientDefault, func(string) string { return ddclientDefaults })
	if list = append(list, more...); err != nil || len(list) > 0 {
		return list, err
	}
	if list, err := d.update(ctx, sumOf(conf)); err != nil || len(list) > 0 {
		return list, err
	}
	list, err = notAtBoot(d.h, ddclient, "ddclient")
	if err != nil || len(list) > 0 {
		return list, err
	}
	return inactive(ctx, d.h, ddclient, "ddclient", func(ctx context.Context) error { return d.h.Units.Restart(ctx, ddclient) })
}

// update looks whether the provider has taken an update with this configuration, and
// whether the last one went well.
func (d dynamic) update(ctx context.Context, sum string) ([]difference, error) {
	last, err := d.last(sum)
	if err != nil {
		return nil, err
	}
	state, err := d.cached()
	if err != nil {
		return nil, err
	}
	wait := last.Words != "" && last.waits(d.h.Clock.Now())
	active := false
	if wait {
		if active, err = d.h.Units.Active(ctx, ddclient); err != nil {
			return nil, err
		}
	}
	send := difference{doing: "sending an update to " + d.d.Server, mend: func(ctx context.Context) error { return d.send(ctx, sum) }}
	switch {
	case active:
		return []difference{{what: "ddclient goes on asking a provider that does not want it", doing: "stopping ddclient",
			mend: func(ctx context.Context) error { return d.h.Units.Stop(ctx, ddclient) }}}, nil
	case wait:
		return nil, last.err(d.d)
	case last.Words != "":
		send.what = "the last update has failed: " + last.Words
	case last.Config == "":
		send.what = "no update was sent with this configuration"
	case state.status != good:
		send.what = fmt.Sprintf("ddclient could not keep %s up to date: %s", d.d.Host, state)
	default:
		return nil, nil
	}
	return []difference{send}, nil
}
