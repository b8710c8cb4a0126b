// Package pagetest looks at the status page as people do: in Chromium, at the width of a
// desk and of a phone. Pictures of what it sees are kept below BERRY_ARTEFACTS.
package pagetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// waitLimit is how long the page may take to show something.
const waitLimit = 30 * time.Second

// Browser is a tab of a browser of a test's own.
type Browser struct {
	ctx context.Context
	t   testing.TB

	mu       sync.Mutex
	troubles []string
}

// Open starts Chromium, which `make tools` installs. It closes with the test.
func Open(t testing.TB, options ...chromedp.ExecAllocatorOption) *Browser {
	t.Helper()
	options = append(append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"),
		chromedp.NoSandbox, // which needs namespaces that a container may not give; the page is our own
		chromedp.UserDataDir(t.TempDir())), options...)
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, shut := chromedp.NewContext(ctx)
	t.Cleanup(shut)
	b := &Browser{ctx: ctx, t: t}
	messages := chromedp.Console(ctx)
	b.do(chromedp.Navigate("about:blank"))
	go func() {
		for m, err := range messages {
			if err == nil && (m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning || m.IsException()) {
				b.mu.Lock()
				b.troubles = append(b.troubles, m.String())
				b.mu.Unlock()
			}
		}
	}()
	return b
}

// do does things in the tab.
func (b *Browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// Visit opens a page.
func (b *Browser) Visit(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

// Opens opens a page that may not be there yet.
func (b *Browser) Opens(url string) bool { return chromedp.Do(b.ctx, chromedp.Navigate(url)) == nil }

// WithoutScript has pages that are opened from now on run no script.
func (b *Browser) WithoutScript() {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}

// Dark has the browser ask for a dark page, or for a light one.
func (b *Browser) Dark(dark bool) {
	b.t.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[dark]
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// Value is what an expression of JavaScript gives in a page.
func Value[T any](b *Browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Until waits until an expression of JavaScript is true, also of a page that is loaded
// anew meanwhile.
func (b *Browser) Until(what, expression string) {
	b.t.Helper()
	for began := time.Now(); time.Since(began) < waitLimit; time.Sleep(20 * time.Millisecond) {
		if is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression)); err == nil && is {
			return
		}
	}
	b.t.Fatalf("not within %v: %s; the page says:\n%s", waitLimit, what, Value[string](b, "document.body.innerText"))
}

// Roles counts what there is on the page for who has it read aloud.
func (b *Browser) Roles() map[string]int {
	b.t.Helper()
	counts := map[string]int{}
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		tree, err := cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		for _, n := range tree.Nodes {
			if !n.Ignored && n.Role != nil {
				counts[strings.Trim(string(n.Role.Value), `"`)]++
			}
		}
		return err
	}))
	return counts
}

// Widths of what people look at, in CSS pixels.
const (
	Phone = 390
	Desk  = 1280
)

// Picture keeps a picture of the whole page at a width, and holds that nothing lies
// beside it.
func (b *Browser) Picture(name string, width int) {
	b.t.Helper()
	options := []chromedp.EmulateViewportOption{chromedp.EmulateScale(2)}
	if width == Phone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	b.do(chromedp.EmulateViewport(int64(width), 844, options...))
	if wide := Value[int](b, "document.documentElement.scrollWidth"); wide > width {
		b.t.Errorf("%s: the page is %d pixels wide, and the window %d", name, wide, width)
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := keep(b.t, name+".png", picture); err != nil {
		b.t.Fatal(err)
	}
}

// keep writes a file below BERRY_ARTEFACTS, or into a folder that goes when the test ends.
func keep(t testing.TB, name string, data []byte) error {
	dir := os.Getenv("BERRY_ARTEFACTS")
	if dir == "" {
		dir = t.TempDir()
	}
	return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), data, 0o644))
}

// Troubles are what the browser has complained about since it was last asked.
func (b *Browser) Troubles() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.troubles
	b.troubles = nil
	return list
}
