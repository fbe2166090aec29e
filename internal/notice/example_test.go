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
	for _, fault := range notice.Lint(notice.DefaultPurposes(), notice.Draft{Texts: texts}) {
		fmt.Println(fault.Field+":", fault.Message)
	}
	// Output:
	// texts.en.labels.reject: The label that refuses in en must be one of: Reject all, Refuse all, Decline all, Reject.
}
