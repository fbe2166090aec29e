package event

// words are the texts that the binary form abbreviates to one or two bytes. The index of a word is
// on disk: append only.
var words = [...]string{
	"page_viewed", "product_viewed", "product_added", "product_removed", "cart_viewed",
	"checkout_started", "order_completed", "search_performed", "form_submitted",
	"form_abandoned", "user_registered", "user_signed_in", "purchase", "view", "cart",
	"remove_from_cart",
	"string", "number", "boolean", "true", "false",
	"desktop", "mobile", "tablet", "other",
	"Windows", "macOS", "Linux", "Android", "iOS", "ChromeOS",
	"Chrome", "Safari", "Firefox", "Edge", "Opera", "Samsung Browser",
	"internal", "search", "social", "email", "paid", "unknown",
	"Google", "Bing", "DuckDuckGo", "Facebook", "google", "microsoft", "facebook", "cpc",
	"newsletter",
	"en", "en-US", "en-GB", "de", "de-DE", "fr", "es", "it", "nl",
	"measure", "actions", "identity",
	"consent", "contract", "legal_obligation", "vital_interests", "public_task",
	"legitimate_interest",
	"price", "currency", "product", "product_id", "category", "brand", "quantity", "value",
	"total", "sku", "label", "name", "id", "EUR", "USD", "GBP",
	"givenName", "familyName", "displayName", "cellPhone",
	"Apple", "Samsung",
}

// dictionary finds the index of a word.
var dictionary = func() map[string]int {
	m := make(map[string]int, len(words))
	for i, w := range words {
		m[w] = i
	}
	return m
}()
