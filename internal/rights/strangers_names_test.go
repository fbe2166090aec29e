package rights

import (
	"encoding/json"
	"testing"

	"probity/internal/subject"
)

func TestWhoseNameItIs(t *testing.T) {
	s, err := newStrangers([]identifier{{subject.Email, "jose@example.org"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.meet([]Section{
		{Data: traitViews{{Traits: map[string]string{"givenName": "José María", "familyName": "Núñez", "job": "Painter"}}}},
		{Rows: true, Data: []json.RawMessage{
			json.RawMessage(`{"id": 7, "email": "jose@example.org", "customer_name": "Pepe Núñez", "agent_name": "Peter Schmidt", "product": "Lamp"}`),
			json.RawMessage(`{"email": "someone@example.org", "name": "Jan Kowalski"}`),
		}},
	})
	for name, own := range map[string]bool{
		"José": true, "jose maria NUNEZ": true, "J. Núñez": true, "Núñez": true, "Pepe": true, "José Núñez Hola": true,
		"Ana Núñez": false, "Jan Kowalski": false, "Peter": false, "Painter": false, "J.": false, "Lamp": false,
	} {
		if s.calls(name) != own {
			t.Errorf("%s is the person's own: %v", name, !own)
		}
	}
	for key, want := range map[string]bool{
		"agent": true, "agentName": true, "agent_name": true, "Assignee": true, "user_agent": false, "agency": false, "agent_of_change": false, "name": false,
	} {
		if namesStaff(key) != want {
			t.Errorf("%s names staff: %v", key, !want)
		}
	}
	for text, want := range map[string]bool{
		"Tom Tailor Hose blau": false, "Peter Schmidt": false, "": false, "please call my sister Anna": true, "Peter:\nHello": true,
	} {
		if prose(text) != want {
			t.Errorf("%q is told by somebody: %v", text, !want)
		}
	}
	// In rows, whose a field is was decided before; what it tells is looked at all the same.
	got, err := s.hide([]byte(`[{"name": "Jan Kowalski", "body": "please tell José that Jan Kowalski called him", "agent": "Peter Schmidt"}]`), true)
	if want := `[{"name": "Jan Kowalski", "body": "please tell José that [name] called him", "agent": "[name]"}]`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}
