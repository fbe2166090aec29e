package api

import (
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/notice"
)

// gateFile is the SDK's file that every page of a site loads.
const gateFile = "ac.js"

// What the gate's file has in place of the label of its control, and where it asks the browser for
// its own script tag. There is one of each in it; the SDK's tests hold it to that.
const gateLabel = `"Privacy choices"`

var gateTag = regexp.MustCompile(`\b[\w$]+\.currentScript\b`)

// gate serves the file that every page loads, with what its address asks for put in: lang, the
// language of the control (English unless it is built in), and deployment, for who can't write
// attributes, such as a tag manager, or imports it as a module. Whoever asks for the same address
// gets the same bytes.
func (c *call) gate() error {
	return c.sdkFile(gateFile, sdkSeconds, func(body []byte) ([]byte, error) {
		if labels, ok := notice.DefaultLabels(c.language()); ok {
			quoted, err := json.Marshal(labels.Manage)
			if err != nil {
				return nil, err
			}
			body = regexp.MustCompile(regexp.QuoteMeta(gateLabel)).ReplaceAllLiteral(body, quoted)
		}
		if text := c.URL.Query().Get("deployment"); text != "" {
			d, err := uuid.Parse(text)
			if err != nil {
				return nil, fail.New(fail.NotFound, "There is no such deployment.")
			}
			base, err := json.Marshal(c.base() + "/")
			if err != nil {
				return nil, err
			}
			tag := fmt.Appendf(nil, `{src:%s,dataset:{deployment:"%s"}}`, base, d)
			body = gateTag.ReplaceAllLiteral(body, tag)
		}
		return body, nil
	})
}
