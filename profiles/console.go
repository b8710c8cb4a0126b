package profiles

import (
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // for workstations that have no zones of their own
)

// areaCity is the form of the time zones that Debian's tzdata package holds.
// The older names, such as US/Eastern or GB, moved to tzdata-legacy, which the
// nodes do not have.
var areaCity = regexp.MustCompile(
	`^(UTC|(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific|Etc)(/[A-Za-z0-9_+-]+)+)$`)

var localeForm = regexp.MustCompile(`^([a-z]{2,3}_[A-Z]{2}|C)\.UTF-8$`)

// The forms of the lesser words of keyboard(5).
var (
	keyboardModel   = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	keyboardVariant = regexp.MustCompile(`^[A-Za-z0-9_,-]*$`)
)

// keyboardLayouts are the layouts of xkb-data 2.35 (base.lst).
var keyboardLayouts = strings.Fields(`
	us af ara al am at au az by be bd in ba br bg dz ma cm mm ca cd cn hr cz dk nl bt ee
	ir iq fo fi fr gh gn ge de gr hu is il it jp kg kh kz la latam lt lv mao me mk mt mn
	no pl pt ro ru rs si sk es se ch sy tj lk th tr tw ua gb uz vn kr ie pk mv za epo np
	ng et sn brai tm ml tz tg ke bw ph md id jv my custom`)

// layoutOfLanguage helps people who write a language where a layout is wanted.
var layoutOfLanguage = map[string]string{
	"en": "gb", "uk": "gb", "cs": "cz", "da": "dk", "el": "gr", "ja": "jp", "sv": "se",
}

func readTimeZone(m *mapping) string {
	zone := m.text("time_zone", "Europe/Berlin")
	if _, err := time.LoadLocation(zone); err != nil || !areaCity.MatchString(zone) {
		m.refuse("time_zone", noSuchTimeZone(zone))
	}
	return zone
}

func readLocale(m *mapping) string {
	locale := m.text("locale", "en_GB.UTF-8")
	if !localeForm.MatchString(locale) {
		m.refuse("locale", badLocale(locale))
	}
	return locale
}

// readKeyboard reads the keyboard, which is a layout or a mapping.
func readKeyboard(root *mapping) Keyboard {
	m, layout := root, "keyboard"
	if root.hasMapping("keyboard") {
		m, layout = root.below("keyboard", "keyboard"), "layout"
	}
	k := Keyboard{Layout: m.text(layout, "gb"), Model: "pc105"}
	for _, name := range strings.Split(k.Layout, ",") {
		m.refuse(layout, layoutProblem(name))
	}
	if m == root {
		return k
	}
	k.Model = m.text("model", k.Model)
	if !keyboardModel.MatchString(k.Model) {
		m.refuse("model", badKeyboardWord("model", k.Model))
	}
	k.Variant, _ = m.scalar("variant")
	if !keyboardVariant.MatchString(k.Variant) {
		m.refuse("variant", badKeyboardWord("variant", k.Variant))
	}
	return k
}

func layoutProblem(name string) problem {
	for _, layout := range keyboardLayouts {
		if name == layout {
			return problem{}
		}
	}
	return noSuchLayout(name, layoutOfLanguage[name])
}
