package rights_test

import (
	"fmt"
	"time"

	"probity/internal/rights"
)

func ExampleDue() {
	received := time.Date(2026, 8, 31, 15, 4, 0, 0, time.UTC)
	due := rights.Due(received, time.UTC, nil)
	fmt.Println("answer before", due.Format("Monday, 2 January 2006"))
	// Output: answer before Thursday, 1 October 2026
}

func ExampleState_Status() {
	fmt.Println(rights.Erasing.Status(), rights.Verifying.Status(), rights.Verified.Status())
	// Output: DELETING FINALIZING COMPLETED
}
