package profiles

import (
	"regexp"
	"slices"
	"strings"
)

// passphrase is what WPA takes for a network's password: 8 to 63 printable
// ASCII characters, or the 256-bit key itself in 64 hex digits.
var passphrase = regexp.MustCompile(`^([ -~]{8,63}|[0-9A-Fa-f]{64})$`)

// countries are the codes of ISO 3166-1 (alpha-2), from tzdata's iso3166.tab.
// The country decides which radio channels a node may use.
var countries = strings.Fields(`
	AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO
	BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ
	DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP
	GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG
	KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML
	MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE
	PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL
	SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM
	US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW`)

// readWiFi reads the wireless network. Without psk_file and psk_env it is an
// open one.
func readWiFi(root *mapping) *WiFi {
	m := root.below("wifi", "wifi")
	if m == nil {
		return nil
	}
	w := &WiFi{
		Country: m.need("country", "DE"),
		SSID:    m.need("ssid", "home"),
		PSK:     m.secret("psk", pskProblem),
	}
	m.refuse("country", countryProblem(w.Country))
	if len(w.SSID) > 32 { // IEEE 802.11 counts bytes
		m.refuse("ssid", longSSID(len(w.SSID)))
	}
	return w
}

func countryProblem(code string) problem {
	upper := strings.ToUpper(code)
	switch {
	case slices.Contains(countries, code):
		return problem{}
	case upper == "UK":
		return noSuchCountry(code, "GB")
	case slices.Contains(countries, upper):
		return noSuchCountry(code, upper)
	}
	return noSuchCountry(code, "")
}

func pskProblem(psk string) problem {
	if !passphrase.MatchString(psk) {
		return badPSK
	}
	return problem{}
}
