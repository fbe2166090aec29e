package demo

import "strings"

// Category is one shelf of the shop.
type Category struct {
	Slug  string // path segment
	Name  string
	Intro string // one sentence above the shelf
}

// Product is one thing the shop sells.
type Product struct {
	SKU      string // path segment and article number
	Name     string
	Category string // slug
	Cents    int    // price in euro cents, tax included
	Unit     string // what one piece is
	Line     string // one line on the card
	Story    string // the paragraph on the product page
	Facts    []Fact
	Alt      string // what the picture shows
	art      artwork
}

// Fact is one row of a product's table.
type Fact struct{ Name, Value string }

var categories = []Category{
	{"green", "Green tea", "Steamed or pan-fired within a day of picking. Brew it cool and it stays sweet."},
	{"black", "Black tea", "Fully oxidised leaves with body enough for a splash of milk."},
	{"herbal", "Herbal", "Flowers, leaves and peel. No caffeine, so a pot after supper is safe."},
	{"teaware", "Teaware", "Thrown and glazed in small batches. No two are quite the same."},
}

var products = []Product{
	{
		SKU: "sencha-morning-hill", Name: "Morning Hill Sencha", Category: "green", Cents: 1490, Unit: "80 g tin",
		Line:  "Bright, grassy, a little sea air",
		Story: "Picked in the first week of May and steamed the same afternoon. The cup is clear and pale green, with the smell of a meadow after rain.",
		Facts: []Fact{{"Origin", "Shizuoka, Japan"}, {"Water", "70 °C"}, {"Time", "90 seconds"}, {"Caffeine", "Medium"}},
		Alt:   "A pale green tin with a sprig of tea leaves on its label", art: artwork{tin, leafSprig, "#dfe9dc", "#5f8f6b", "#2c5a40"},
	},
	{
		SKU: "jasmine-pearls", Name: "Jasmine Pearls", Category: "green", Cents: 1890, Unit: "60 g tin",
		Line:  "Hand-rolled, scented seven nights",
		Story: "Young leaves are rolled by hand and laid between fresh jasmine flowers, seven nights in a row. Watch them open in a glass pot.",
		Facts: []Fact{{"Origin", "Fujian, China"}, {"Water", "80 °C"}, {"Time", "2 minutes"}, {"Caffeine", "Medium"}},
		Alt:   "A cream tin with white jasmine blossoms on its label", art: artwork{tin, blossom, "#f1ead9", "#b59b5b", "#6b7a3f"},
	},
	{
		SKU: "genmaicha", Name: "Toasted Genmaicha", Category: "green", Cents: 1150, Unit: "100 g pouch",
		Line:  "Green tea with puffed brown rice",
		Story: "Once the drink of people who wanted their tea to last longer, now loved for its own sake: nutty, warm, and forgiving of hot water.",
		Facts: []Fact{{"Origin", "Kyoto, Japan"}, {"Water", "85 °C"}, {"Time", "1 minute"}, {"Caffeine", "Low"}},
		Alt:   "A moss-coloured pouch with grains of toasted rice on its label", art: artwork{pouch, grains, "#ece5d3", "#8a8f4e", "#a87b3b"},
	},
	{
		SKU: "bergamot-walk", Name: "Bergamot Walk Earl Grey", Category: "black", Cents: 1290, Unit: "100 g tin",
		Line:  "Real bergamot oil, nothing else",
		Story: "A brisk Ceylon with cold-pressed bergamot from Calabria. Bright as a walk on the first cold day of the year.",
		Facts: []Fact{{"Origin", "Uva, Sri Lanka"}, {"Water", "95 °C"}, {"Time", "3 minutes"}, {"Caffeine", "High"}},
		Alt:   "A slate-blue tin with a slice of bergamot on its label", art: artwork{tin, citrus, "#dde4ea", "#4f6b85", "#d9a441"},
	},
	{
		SKU: "assam-second-flush", Name: "Second Flush Assam", Category: "black", Cents: 1190, Unit: "125 g pouch",
		Line:  "Malty, golden-tipped, made for milk",
		Story: "From the June harvest, when the tips turn gold. Strong enough to hold up the longest morning.",
		Facts: []Fact{{"Origin", "Assam, India"}, {"Water", "100 °C"}, {"Time", "4 minutes"}, {"Caffeine", "High"}},
		Alt:   "A rust-coloured pouch with golden tea tips on its label", art: artwork{pouch, leafSprig, "#f0dfd3", "#a5573a", "#d6a255"},
	},
	{
		SKU: "campfire-lapsang", Name: "Campfire Lapsang", Category: "black", Cents: 1640, Unit: "80 g tin",
		Line:  "Dried slowly over pine embers",
		Story: "The smell of a jacket after a night by the fire. Smooth underneath, with a sweet end that surprises everyone.",
		Facts: []Fact{{"Origin", "Wuyi, China"}, {"Water", "95 °C"}, {"Time", "3 minutes"}, {"Caffeine", "Medium"}},
		Alt:   "A charcoal tin with a curl of smoke on its label", art: artwork{tin, smoke, "#e3dfdc", "#45403f", "#b5654a"},
	},
	{
		SKU: "chamomile-meadow", Name: "Chamomile Meadow", Category: "herbal", Cents: 890, Unit: "50 g pouch",
		Line:  "Whole flowers, honey in the cup",
		Story: "Only whole heads, dried in the shade so that they keep their scent. The last cup of the day.",
		Facts: []Fact{{"Origin", "Franconia, Germany"}, {"Water", "95 °C"}, {"Time", "5 minutes"}, {"Caffeine", "None"}},
		Alt:   "A butter-yellow pouch with chamomile flowers on its label", art: artwork{pouch, blossom, "#f5ecd0", "#d1a83f", "#c58a26"},
	},
	{
		SKU: "peppermint-field", Name: "Peppermint Field", Category: "herbal", Cents: 850, Unit: "50 g pouch",
		Line:  "Cool, clear, grown without shade",
		Story: "Cut in full sun when the oil is strongest. Also very good over ice with a slice of cucumber.",
		Facts: []Fact{{"Origin", "Thuringia, Germany"}, {"Water", "100 °C"}, {"Time", "6 minutes"}, {"Caffeine", "None"}},
		Alt:   "A mint-green pouch with peppermint leaves on its label", art: artwork{pouch, leafSprig, "#d9ece6", "#3f8f7c", "#1f6355"},
	},
	{
		SKU: "rooibos-orange", Name: "Rooibos & Orange Peel", Category: "herbal", Cents: 990, Unit: "100 g tin",
		Line:  "Red, round, a little like marmalade",
		Story: "Long-cut rooibos from the Cederberg with hand-peeled orange. Brew it long: it never turns bitter.",
		Facts: []Fact{{"Origin", "Cederberg, South Africa"}, {"Water", "100 °C"}, {"Time", "7 minutes"}, {"Caffeine", "None"}},
		Alt:   "A terracotta tin with a slice of orange on its label", art: artwork{tin, citrus, "#f6e0d0", "#b8582f", "#e58a2e"},
	},
	{
		SKU: "river-teapot", Name: "River Teapot", Category: "teaware", Cents: 5800, Unit: "one pot, 450 ml",
		Line:  "Stoneware with a side handle",
		Story: "Thrown by Ines in our workshop behind the shop. The glaze breaks over the shoulder like water over a stone.",
		Facts: []Fact{{"Material", "Stoneware"}, {"Volume", "450 ml"}, {"Care", "Dishwasher, top rack"}, {"Made in", "Fernhill workshop"}},
		Alt:   "A round stoneware teapot glazed in river blue", art: artwork{teapot, nothing, "#dfe7e8", "#54808a", "#2f525a"},
	},
	{
		SKU: "hill-cups", Name: "Hill Cups, pair", Category: "teaware", Cents: 3400, Unit: "two cups, 160 ml",
		Line:  "A thumb rest where you need it",
		Story: "Two cups without handles, thick at the foot and thin at the lip, so that they warm the hand and not the mouth.",
		Facts: []Fact{{"Material", "Stoneware"}, {"Volume", "160 ml each"}, {"Care", "Dishwasher"}, {"Made in", "Fernhill workshop"}},
		Alt:   "Two small cups, one glazed green and one sand-coloured", art: artwork{cups, nothing, "#ece6da", "#6f8b6a", "#c6ab86"},
	},
	{
		SKU: "cold-brew-bottle", Name: "Cold Brew Bottle", Category: "teaware", Cents: 2650, Unit: "one bottle, 750 ml",
		Line:  "Leaves in, fridge, morning",
		Story: "Heat-proof glass with a fine steel strainer in the neck. Fill it at night and pour it at breakfast.",
		Facts: []Fact{{"Material", "Borosilicate glass"}, {"Volume", "750 ml"}, {"Care", "Dishwasher"}, {"Made in", "Bohemia"}},
		Alt:   "A tall glass bottle of pale tea with a cork stopper", art: artwork{bottle, nothing, "#e2ebe0", "#93b38f", "#a9793f"},
	},
}

func productBySKU(sku string) (Product, bool) {
	for _, p := range products {
		if p.SKU == sku {
			return p, true
		}
	}
	return Product{}, false
}

func categoryBySlug(slug string) (Category, bool) {
	for _, c := range categories {
		if c.Slug == slug {
			return c, true
		}
	}
	return Category{}, false
}

func productsIn(slug string) []Product {
	var in []Product
	for _, p := range products {
		if p.Category == slug {
			in = append(in, p)
		}
	}
	return in
}

// find returns the products whose name, shelf or line holds every word of the query.
func find(query string) []Product {
	words := strings.Fields(strings.ToLower(query))
	if len(words) == 0 {
		return nil
	}
	var found []Product
next:
	for _, p := range products {
		c, _ := categoryBySlug(p.Category)
		text := strings.ToLower(p.Name + " " + c.Name + " " + p.Line + " " + p.Story)
		for _, w := range words {
			if !strings.Contains(text, w) {
				continue next
			}
		}
		found = append(found, p)
	}
	return found
}

// related returns up to three other things, the same shelf first.
func related(p Product) []Product {
	var same, other []Product
	for _, q := range products {
		switch {
		case q.SKU == p.SKU:
		case q.Category == p.Category:
			same = append(same, q)
		case p.Category != "teaware" && q.Category == "teaware" || p.Category == "teaware" && q.Category == "green":
			other = append(other, q)
		}
	}
	return append(same, other...)[:3]
}
