package notice_test

import (
	"fmt"

	"probity/internal/notice"
)

// What the lint says about a label that shames the person who refuses.
func ExampleLint() {
	texts := notice.DefaultTexts()
	text := texts["en"]
	text.Labels.Reject = "No, I like slow sites"
	texts["en"] = text
	d := notice.Draft{Facts: notice.Facts{Controller: "Example Shop Ltd"}, Texts: texts}
	for _, fault := range notice.Blocking(notice.Lint(notice.DefaultPurposes(), d)) {
		if fault.Rule == "refusal-label" {
			fmt.Println(fault.Field+":", fault.Message)
			fmt.Println(fault.Source)
		}
	}
	// Output:
	// texts.en.labels.reject: The label that refuses in en must be one of: Reject all, Refuse all, Decline all, Reject.
	// EDPB 03/2022 emotional steering; Taskforce §8
}
