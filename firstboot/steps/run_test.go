package steps

import (
	"context"
	"errors"
	"testing"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/status"

	"github.com/google/go-cmp/cmp"
)

// play is a step that plays what one test wants.
type play struct {
	looks []State // what each look finds; the last again and again
	look  error   // of every look
	act   func(say func(string)) error
}

func (*play) Name() string { return "play" }

func (p *play) Look(context.Context, *host.Host, node.File) (State, error) {
	s := p.looks[0]
	if len(p.looks) > 1 {
		p.looks = p.looks[1:]
	}
	return s, p.look
}

func (p *play) Act(_ context.Context, _ *host.Host, _ node.File, say func(string)) error {
	return p.act(say)
}

// luxury is a play that is spared.
type luxury struct{ *play }

func (luxury) Spared() {}

func works(func(string)) error { return nil }

func TestHowAStepEnds(t *testing.T) {
	running := status.Step{Name: "play", State: status.Running}
	doing := func(what string) status.Step {
		return status.Step{Name: "play", State: status.Running, Doing: what}
	}
	ended := func(s status.State, err string) status.Step {
		return status.Step{Name: "play", State: s, Seconds: 0.1, Error: err}
	}
	tests := []struct {
		name string
		step *play
		want []status.Step
		err  string
	}{
		{"nothing to do", &play{looks: []State{nil}},
			[]status.Step{running, ended(status.AlreadyDone, "")}, ""},
		{"something to do", &play{looks: []State{{"it is small"}, nil}, act: func(say func(string)) error {
			say("growing it")
			say("painting it")
			return nil
		}}, []status.Step{running, doing("growing it"), doing("painting it"), ended(status.Done, "")}, ""},
		{"a look that fails", &play{looks: []State{nil}, look: errors.New("it is dark")},
			[]status.Step{running, ended(status.Failed, "it is dark")}, "step play: it is dark"},
		{"an act that fails", &play{looks: []State{{"it is small"}}, act: func(func(string)) error { return errors.New("it\nbroke") }},
			[]status.Step{running, ended(status.Failed, "it; broke")}, "step play: it\nbroke"},
		{"an act that changes nothing", &play{looks: []State{{"it is small", "it is grey"}, {"it is grey"}}, act: works},
			[]status.Step{running, ended(status.Failed, "still not as it should be: it is grey")},
			"step play: still not as it should be: it is grey"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var told []status.Step
			err := Run(t.Context(), hosttest.New(t, nil).Host, node.File{}, []Step{tt.step},
				func(_ int, s status.Step) { told = append(told, s) })
			if got := text(err); got != tt.err {
				t.Errorf("error %q, want %q", got, tt.err)
			}
			if diff := cmp.Diff(tt.want, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAFailedStepIsTheLast(t *testing.T) {
	broken := &play{looks: []State{nil}, look: errors.New("it is dark")}
	whole := &play{looks: []State{nil}}
	var told []int
	Run(t.Context(), hosttest.New(t, nil).Host, node.File{}, []Step{whole, broken, whole},
		func(i int, _ status.Step) { told = append(told, i) })
	if diff := cmp.Diff([]int{0, 0, 1, 1}, told); diff != "" {
		t.Errorf("told of steps (-want +got):\n%s", diff)
	}
}

func TestAFailedStepThatNobodyNeedsIsNotTheLast(t *testing.T) {
	dark := luxury{&play{looks: []State{nil}, look: errors.New("it is dark")}}
	broken := &play{looks: []State{nil}, look: errors.New("it broke")}
	whole := &play{looks: []State{nil}}
	for _, tt := range []struct {
		name   string
		list   []Step
		err    string
		spares bool
		told   []int
	}{
		{"all hold", []Step{whole, luxury{whole}}, "", true, []int{0, 0, 1, 1}},
		{"one of them fails", []Step{whole, dark, luxury{whole}}, "step play: it is dark", true, []int{0, 0, 1, 1, 2, 2}},
		{"both fail", []Step{dark, whole, dark}, "step play: it is dark; step play: it is dark", true, []int{0, 0, 1, 1, 2, 2}},
		{"and so does another", []Step{dark, broken, whole}, "step play: it is dark; step play: it broke", false, []int{0, 0, 1, 1}},
		{"only the other fails", []Step{broken, dark}, "step play: it broke", false, []int{0, 0}},
	} {
		var told []int
		err := Run(t.Context(), hosttest.New(t, nil).Host, node.File{}, tt.list, func(i int, _ status.Step) { told = append(told, i) })
		if text(err) != tt.err || Spares(err) != tt.spares {
			t.Errorf("%s: error %q, spares %v; want %q, %v", tt.name, text(err), Spares(err), tt.err, tt.spares)
		}
		if diff := cmp.Diff(tt.told, told); diff != "" {
			t.Errorf("%s: told of steps (-want +got):\n%s", tt.name, diff)
		}
	}
	if Spares(errors.New("stopped")) {
		t.Error("it spares what is no step's failure")
	}
}

func TestAStepThatIsCutShortHasNotFailed(t *testing.T) {
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	step := &play{looks: []State{{"it is small"}}, act: func(func(string)) error {
		cancel(stopped)
		return errors.New("killed")
	}}
	var last status.Step
	err := Run(ctx, hosttest.New(t, nil).Host, node.File{}, []Step{step, step}, func(_ int, s status.Step) { last = s })
	if !errors.Is(err, stopped) {
		t.Errorf("error %v, want %v", err, stopped)
	}
	if last.State != status.Running {
		t.Errorf("the step was last told as %s", last.State)
	}
}

func TestTheOrderOfANode(t *testing.T) {
	tests := []struct {
		role string
		file node.File
		want []string
	}{
		{"storage", node.File{Brick: &node.Brick{}, Packages: &node.Packages{}, Gluster: &node.Gluster{}, Web: &node.Web{}},
			[]string{"identity", "card", "packages", "peers", "pool", "volume", "mount", "web"}},
		{"balancer", node.File{Packages: &node.Packages{}, Balancer: &node.Balancing{}}, []string{"identity", "packages", "balancer"}},
		{"balancer with an authority", node.File{Balancer: &node.Balancing{HTTPS: &node.HTTPS{ACME: &node.ACME{}}}}, []string{"identity", "balancer", "certificate"}},
		{"balancer at home", node.File{Balancer: &node.Balancing{HTTPS: &node.HTTPS{ACME: &node.ACME{}}}, DDNS: &node.DDNS{}}, []string{"identity", "balancer", "ddclient", "certificate"}},
		{"balancer with a certificate", node.File{Balancer: &node.Balancing{HTTPS: &node.HTTPS{Pair: &node.Pair{}}}}, []string{"identity", "balancer"}},
		{"remote", node.File{Brick: &node.Brick{}, Packages: &node.Packages{}, Ports: []node.Port{{}}, DDNS: &node.DDNS{}},
			[]string{"identity", "card", "packages", "ports", "ddclient"}},
		{"storage without packages", node.File{Brick: &node.Brick{}}, []string{"identity", "card"}},
		{"balancer without packages", node.File{}, []string{"identity"}},
	}
	for _, tt := range tests {
		var got []string
		for _, s := range For(tt.file, nil, nil) {
			got = append(got, s.Name())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.role, diff)
		}
	}
}

func TestMendAllGivesUpWhatStays(t *testing.T) {
	mended := 0
	stubborn := difference{what: "it is small", doing: "growing it", mend: func(context.Context) error { mended++; return nil }}
	hopeless := difference{what: "it is gone"}
	for _, list := range [][]difference{{stubborn}, {hopeless, stubborn}} {
		err := mendAll(t.Context(), func(string) {}, func() ([]difference, error) { return list, nil })
		if err != nil {
			t.Error(err)
		}
	}
	if mended != 1 {
		t.Errorf("it was mended %d times, want once", mended)
	}
}

// text is an error's, or nothing.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
