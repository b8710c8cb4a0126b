package host

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSeldomLeavesOutWhatGoesWellAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		log := Seldom(func(line string) { told = append(told, line) }, time.Minute)
		for _, line := range []string{"a [ok, 0.1s]", "a [ok, 0.2s]", "b [ok, 0.1s]", "a [exit 1, 0.1s]", "a [exit 1, 0.1s]", "a [ok, 0.3s]"} {
			log(line)
		}
		time.Sleep(time.Minute)
		log("a [ok, 0.4s]")
		want := []string{"a [ok, 0.1s]", "b [ok, 0.1s]", "a [exit 1, 0.1s]", "a [exit 1, 0.1s]", "a [ok, 0.4s]"}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
