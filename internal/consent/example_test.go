package consent_test

import (
	"fmt"

	"probity/internal/consent"
)

// The body of a request to record a choice.
func ExampleDecodeChoice() {
	choice, err := consent.DecodeChoice([]byte(`{
		"deployment": "5d1f3a52-5a8e-4c34-9a3e-0d6f6a1c2b3d", "nonce": "…", "visitor": null,
		"purposes": {"measure": true, "predict": false},
		"ui": {"component": "banner", "action": "save", "dwell_ms": 4200, "trusted": true, "viewport": "d"},
		"client_time": "2026-11-22T12:00:00Z"
	}`))
	fmt.Println(choice.Purposes["measure"], choice.Purposes["predict"], choice.UI.Action, err)

	_, err = consent.DecodeChoice([]byte(`{"deployment": 7}`))
	fmt.Println(err)
	// Output:
	// true false save <nil>
	// The member "deployment" has the wrong type.
}
