package event_test

import (
	"fmt"
	"net/netip"

	"probity/internal/event"
)

func ExamplePolicy_Minimise() {
	e := &event.Event{
		Page:     event.Page{URL: "https://shop.example.com/user/mary@example.com/p/4711?q=oak+chair&session=9f3a&utm_source=news#top"},
		Referrer: &event.Referrer{URL: "https://www.google.com/search?q=oak&ei=secret"},
	}
	event.DefaultPolicy().Minimise(e)
	fmt.Println(e.Page.URL)
	fmt.Println(e.Search, "/", e.Campaign.Source)
	fmt.Println(e.Referrer.Medium, e.Referrer.Name, e.Referrer.URL)
	// Output:
	// https://shop.example.com/user/(email)/p/4711?q=oak+chair&utm_source=news
	// oak chair / news
	// search Google https://www.google.com/search?q=oak
}

func ExampleTruncateIP() {
	fmt.Println(event.TruncateIP(netip.MustParseAddr("203.0.113.77")))
	fmt.Println(event.TruncateIP(netip.MustParseAddr("2001:db8:1:2::3")))
	// Output:
	// 203.0.113.0
	// 2001:db8:1::
}

func ExampleMask() {
	fmt.Println(event.Mask("lost mary@example.com, +49 511 1234567"))
	// Output: lost (email), (phone)
}

func ExampleClassifyUA() {
	browser, device := event.ClassifyUA("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.7444.60 Safari/537.36")
	fmt.Println(browser.Family, browser.Version, device.OSFamily, device.Category)
	// Output: Chrome 142 Windows desktop
}

func ExampleEvent_AppendBinary() {
	b, _ := (&event.Event{Name: event.PageViewed, Seq: 1}).AppendBinary(nil)
	e, _ := event.Decode(b)
	fmt.Println(e.Name, e.Seq, len(b), "bytes")
	// Output: page_viewed 1 5 bytes
}
