package verify_test

import (
	"errors"
	"fmt"
	"os"

	"probity/verify"
)

// A visitor checks the receipt that was saved with a choice.
func ExampleFile() {
	file, err := os.ReadFile("testdata/receipt.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	// The key as the organisation publishes it. Without it the key inside the file is used.
	key := "probity.test/log/1+7ef8dade+AUy1q/atefv1q7zK/MJp2FzSZR7UuIW1hp8kGu3wpbop"
	report, err := verify.File(file, key)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range report.Verified {
		fmt.Println(line)
	}
	// Output:
	// Entry 1 of log probity.test/log/1, "consent.given" of 22 November 2026 12:01 UTC, is unaltered and part of the log's first 7 entries.
	// The notice enclosed (en) is the exact text that entry 1 cites.
	// The signing key is one that you trust.
}

// A file that does not hold says why.
func ExampleError() {
	_, err := verify.File([]byte(`{"type":"probity/receipt/v1"}`))
	var fault *verify.Error
	fmt.Println(errors.As(err, &fault), fault.Reason)
	// Output: true malformed
}

// Two spellings of one JSON value have one canonical form.
func ExampleCanonical() {
	for _, text := range []string{`{"b": 1.0, "a": "\u00e9"}`, `{"a":"é","b":1}`} {
		canonical, err := verify.Canonical([]byte(text))
		fmt.Println(string(canonical), err)
	}
	// Output:
	// {"a":"é","b":1} <nil>
	// {"a":"é","b":1} <nil>
}
