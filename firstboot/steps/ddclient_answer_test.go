package steps

import (
	"fmt"
	"testing"
	"time"

	"berries/firstboot/host/hosttest"
)

// The answers are what ddclient 3.10.0 and 3.11.2 print.
func TestWhatDDClientPrints(t *testing.T) {
	const name = "updating berries.example.net: "
	tests := []struct {
		printed, want string // "" where the provider took the update
		first         time.Duration
	}{
		{took, "", 0},
		{"SUCCESS:  " + name + "good: IPv4 address set to 192.0.2.7\n", "", 0},
		{"WARNING:  " + name + "nochg: No update required; unnecessary attempts to change to the current address are considered abusive\n", "", 0},
		{took + badauth, "badauth: Bad authorization (username or password)", halfAnHour},
		{badauth, "badauth: Bad authorization (username or password)", halfAnHour},
		{"FAILED:   " + name + "authorization failed (HTTP/1.1 401 Unauthorized\nFAILED:   Date: now\n", "authorization failed (HTTP/1.1 401 Unauthorized)", halfAnHour},
		{"FAILED:   " + name + "nohost: The hostname specified does not exist in the database\n",
			"nohost: The hostname specified does not exist in the database", halfAnHour},
		{"FAILED:   " + name + "abuse: The hostname specified is blocked\n", "abuse: The hostname specified is blocked", 8 * time.Hour},
		{"FAILED:   " + name + "unexpected status (911)\n", "unexpected status (911)", halfAnHour},
		{"FAILED:   " + name + "unexpected status (badpass top secret)\n", "unexpected status (badpass [secret])", halfAnHour},
		{"WARNING:  cannot connect to dyndns.strato.com:443 socket: Connection refused\nFAILED:   " + name + "Could not connect to dyndns.strato.com.\n",
			"Could not connect to dyndns.strato.com.", 5 * time.Minute},
		{"WARNING:  found neither IPv4 nor IPv6 address\nWARNING:  berries.example.net: unable to determine IP address with strategy use=web\n",
			"found neither IPv4 nor IPv6 address", 5 * time.Minute},
		{"FATAL:    Error loading the Perl module IO::Socket::SSL needed for SSL connect.\n",
			"Error loading the Perl module IO::Socket::SSL needed for SSL connect.", halfAnHour},
		{"WARNING:  " + name + "w30m: wait 30 minutes before further updates\n", "w30m: wait 30 minutes before further updates", halfAnHour},
		{"perl: warning: Setting locale failed.\n", "the provider answered what ddclient does not understand", halfAnHour},
	}
	for _, tt := range tests {
		got, ok := answerIn(tt.printed, *abroad().DDNS)
		if got != tt.want || ok != (tt.want == "") {
			t.Errorf("%q: %q, %v; want %q", tt.printed, got, ok, tt.want)
		}
		if got := kindOf(got).first; tt.want != "" && got != tt.first {
			t.Errorf("%s: tried again after %v, want %v", tt.want, got, tt.first)
		}
	}
}

func TestHowLongARefusalWaits(t *testing.T) {
	at := noon().now
	u := update{}
	for _, want := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 8 * time.Hour} {
		u = u.failed("badauth", kindOf("badauth"), at)
		if got := u.Until.Sub(at); got != want {
			t.Errorf("the wait is %v, want %v", got, want)
		}
	}
	if got := u.failed("dnserr", kindOf("dnserr"), at).Until.Sub(at); got != halfAnHour {
		t.Errorf("after a fault of the provider's the wait is %v, want %v", got, halfAnHour)
	}
}

func TestTheProvidersOwnWaitIsKept(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{time.Minute: halfAnHour, 5 * time.Hour: 5 * time.Hour, 90 * time.Hour: patienceLimit} {
		h := packagedDDClient(t)
		now := h.Clock.Now()
		d := dynamic{h.Host, *abroad().DDNS}
		h.Write(ddclientCache, cacheLine("w5h", now, fmt.Sprintf("wtime=%d,", now.Add(wait).Unix())))
		if err := d.judge(update{Config: "x"}, update{}, "WARNING:  updating berries.example.net: w5h: wait\n"); err == nil {
			t.Error("it was taken for an update that went well")
		}
		if u, err := d.last("x"); err != nil || u.Until.Sub(now) != want {
			t.Errorf("the wait is %v, %v; want %v", u.Until.Sub(now), err, want)
		}
	}
}

func TestASuccessThatTheCacheDoesNotShowIsNone(t *testing.T) {
	h := packagedDDClient(t)
	d := dynamic{h.Host, *abroad().DDNS}
	err := d.judge(update{Config: "x"}, update{}, took)
	if want := "berries.example.net was not updated: ddclient says that it was, and its cache says: its cache has gone; "; err == nil || err.Error()[:len(want)] != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestTheCache(t *testing.T) {
	at := time.Unix(1772366400, 0)
	tests := []struct {
		name, text string
		want       cacheEntry
	}{
		{"a good update", cacheLine("good", at, ""), cacheEntry{status: good, tried: at}},
		{"a refused one", cacheLine("badauth", at, ""), cacheEntry{status: "badauth", tried: at}},
		{"a protocol that tells by family", "atime=1772366400,status=noconnect,status-ipv4=good berries.example.net\n", cacheEntry{status: good, tried: at}},
		{"a wait", cacheLine("w1h", at, "wtime=1772370000,"), cacheEntry{status: "w1h", tried: at, wait: at.Add(time.Hour)}},
		{"another host", "status=good other.example.net\n", cacheEntry{}},
		{"a comment", "# status=good berries.example.net\n", cacheEntry{}},
		{"a name in capitals", "status=good Berries.Example.NET\n", cacheEntry{status: good}},
		{"nothing", "", cacheEntry{}},
	}
	for _, tt := range tests {
		h := hosttest.New(t, map[string]string{ddclientCache: tt.text})
		got, err := dynamic{h.Host, *abroad().DDNS}.cached()
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}
