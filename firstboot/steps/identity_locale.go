package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"berries/firstboot/host"
)

// localeGen is Debian's generator, from the package locales.
const (
	localeGen     = "/usr/sbin/locale-gen"
	localeGenList = "/etc/locale.gen"
)

// generated tells whether the C library has the locale. C.UTF-8 is built in, and
// a base without the generator cannot do better than it does.
func generated(ctx context.Context, h *host.Host, locale string) ([]difference, error) {
	if locale == "C.UTF-8" || !h.Files.Exists(localeGen) {
		return nil, nil
	}
	res, err := h.Runner.Run(ctx, host.Command("locale", "-a"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the locales: %w", err)
	}
	// locale -a writes UTF-8 as utf8.
	name := strings.TrimSuffix(locale, ".UTF-8") + ".utf8"
	if slices.Contains(strings.Fields(string(res.Stdout)), name) {
		return nil, nil
	}
	return []difference{{
		what:  "locale " + locale + " is not generated",
		doing: "generating locale " + locale,
		mend:  func(ctx context.Context) error { return generate(ctx, h, locale) },
	}}, nil
}

// generate adds the locale to the list and has the whole list generated, from
// nothing: the generator does not flush what it writes, and cannot add to an
// archive that a power cut has left half written. It exits with 0 when it fails:
// the look afterwards tells.
func generate(ctx context.Context, h *host.Host, locale string) error {
	entries, err := file(h, localeGenList, func(text string) string { return withEntry(text, locale) })
	if err != nil {
		return err
	}
	for _, d := range entries {
		if err := d.mend(ctx); err != nil {
			return err
		}
	}
	for _, cmd := range []host.Cmd{host.Command("locale-gen"), host.Command("sync", "--file-system", "/usr/lib/locale")} {
		if _, err := h.Runner.Run(ctx, cmd); err != nil {
			return fmt.Errorf("cannot generate locale %s: %w", locale, err)
		}
	}
	return nil
}

// withEntry returns locale.gen(5) with the locale's line in it, uncommented where
// it is a comment.
func withEntry(list, locale string) string {
	entry := locale + " UTF-8"
	return withLine(list, entry, func(line string) bool {
		return strings.TrimSpace(strings.TrimLeft(line, "# \t")) == entry
	})
}

// language compares the default of new logins. Bookworm keeps it in
// /etc/default/locale; trixie in /etc/locale.conf, with the old name a link to it
// that PAM still reads.
func language(h *host.Host, locale string) ([]difference, error) {
	var list []difference
	for _, name := range localeFiles(h) {
		some, err := file(h, name, func(text string) string { return withLang(text, locale) })
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// localeFiles are those of the two files that there are, or the older one.
func localeFiles(h *host.Host) []string {
	var names []string
	for _, name := range []string{"/etc/locale.conf", "/etc/default/locale"} {
		if h.Files.Exists(name) {
			names = append(names, name)
		}
	}
	if names == nil {
		names = []string{"/etc/default/locale"}
	}
	return names
}

// withLang returns locale.conf(5) with exactly one LANG, and the other settings
// as they were.
func withLang(conf, locale string) string {
	return withLine(conf, "LANG="+locale, func(line string) bool { return strings.HasPrefix(line, "LANG=") })
}

// withLine returns text with line in it in the place of the first line that it
// replaces, without the others that it replaces, or at the end.
func withLine(text, line string, replaces func(string) bool) string {
	var out strings.Builder
	found := false
	for old := range strings.Lines(text) {
		switch {
		case !replaces(old):
			out.WriteString(strings.TrimSuffix(old, "\n") + "\n")
		case !found:
			found = true
			out.WriteString(line + "\n")
		}
	}
	if !found {
		out.WriteString(line + "\n")
	}
	return out.String()
}
