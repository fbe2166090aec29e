package consent

import "testing"

func TestG2_OnlyTheValueOneIsASignal(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []string
		want   bool
	}{
		{"no header", nil, false},
		{"one", []string{"1"}, true},
		{"zero", []string{"0"}, false},
		{"true", []string{"true"}, false},
		{"a list in one header", []string{"1, 1"}, false},
		{"empty", []string{""}, false},
		{"several headers, one of them one", []string{"0", "1"}, true},
	} {
		if got := SignalsGPC(c.values); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
