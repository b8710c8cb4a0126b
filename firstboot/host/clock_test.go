package host

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestSleepEndsWithTheContext(t *testing.T) {
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	if err := (Wall{}).Sleep(ctx, time.Hour); !errors.Is(err, stopped) {
		t.Errorf("Sleep in a cancelled context: %v, want %v", err, stopped)
	}
	began := time.Now()
	if err := (Wall{}).Sleep(t.Context(), 20*time.Millisecond); err != nil || time.Since(began) < 20*time.Millisecond {
		t.Errorf("Sleep of 20ms: %v after %v", err, time.Since(began))
	}
}
