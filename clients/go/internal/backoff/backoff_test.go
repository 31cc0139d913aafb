package backoff

import (
	"testing"
	"time"
)

func TestTheBoundDoublesUpToTheLast(t *testing.T) {
	var wait Backoff
	for _, bound := range []time.Duration{250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		if wait.Bound() != bound*time.Millisecond {
			t.Errorf("%v, not %v ms", wait.Bound(), bound)
		}
		if drawn := wait.Next(); drawn < 0 || drawn >= bound*time.Millisecond {
			t.Errorf("drawn: %v", drawn)
		}
	}
	for range 100 {
		wait.Next()
	}
	if wait.Bound() != Last {
		t.Error("many attempts overflow")
	}
}

func TestOnlyWhatHeldForLongHasTheWaitBeginAnew(t *testing.T) {
	wait := Backoff{Max: 5 * time.Second}
	for range 9 {
		wait.Next()
	}
	wait.EndedAfter(Stable - time.Millisecond)
	if wait.Bound() != 5*time.Second {
		t.Error(wait.Bound())
	}
	wait.EndedAfter(Stable)
	if wait.Bound() != First {
		t.Error(wait.Bound())
	}
}
