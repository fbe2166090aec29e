package predict

import "math"

// NumFeatures is the length of the closed list of features.
const NumFeatures = 24

// Vector holds the value of every feature, in plain units: numbers of events, seconds, amounts of
// money, or 1 for yes. Values are never negative and rounded to eight significant bits, so that what
// is kept for training is exactly what was scored.
type Vector [NumFeatures]float32

// The features. Their order is part of the models' format.
const (
	fEvents = iota
	fPageViews
	fDistinctPaths
	fProductViews
	fDistinctProducts
	fSameProduct
	fListViews
	fSearches
	fCartAdds
	fCartRemoves
	fCartViews
	fCheckoutSteps
	fAccountSteps
	fHelpViews
	fFormSteps
	fPriceSeen
	fCartValue
	fActiveSeconds
	fPauseSeconds
	fCartOpen
	fJustAdded
	fEarlierVisits
	fMobile
	fSought
)

// scale tells how a feature enters a model.
type scale uint8

const (
	grows scale = iota // counts, durations, amounts: the first few matter most, so log(1+x)
	flag               // 0 or 1: as it is
)

type feature struct {
	name  string
	scale scale
	words string // for a person, after a number ("4 product pages viewed") or alone if a flag
}

// features is the closed list. Nothing outside of it can enter a model.
var features = [NumFeatures]feature{
	fEvents:           {"events", grows, "events in this visit"},
	fPageViews:        {"page_views", grows, "pages viewed"},
	fDistinctPaths:    {"distinct_pages", grows, "different pages viewed"},
	fProductViews:     {"product_views", grows, "product pages viewed"},
	fDistinctProducts: {"distinct_products", grows, "different products viewed"},
	fSameProduct:      {"same_product", grows, "views of the product viewed last"},
	fListViews:        {"list_views", grows, "category or list pages viewed"},
	fSearches:         {"searches", grows, "searches on the site"},
	fCartAdds:         {"cart_adds", grows, "additions to the cart"},
	fCartRemoves:      {"cart_removes", grows, "removals from the cart"},
	fCartViews:        {"cart_views", grows, "views of the cart"},
	fCheckoutSteps:    {"checkout_steps", grows, "checkout steps"},
	fAccountSteps:     {"account_steps", grows, "sign-in or sign-up steps"},
	fHelpViews:        {"help_views", grows, "help or contact pages viewed"},
	fFormSteps:        {"form_steps", grows, "forms begun or submitted"},
	fPriceSeen:        {"price_seen", grows, "average price of products viewed"},
	fCartValue:        {"cart_value", grows, "value put into the cart"},
	fActiveSeconds:    {"active_seconds", grows, "seconds active in this visit"},
	fPauseSeconds:     {"pause_seconds", grows, "seconds of pause before the latest event"},
	fCartOpen:         {"cart_open", flag, "something is in the cart"},
	fJustAdded:        {"just_added", flag, "the latest event put something into the cart"},
	fEarlierVisits:    {"earlier_visits", grows, "earlier visits"},
	fMobile:           {"mobile", flag, "uses a phone or tablet"},
	fSought:           {"sought", flag, "came through a campaign or a search engine"},
}

// FeatureNames returns the names of all features, in the order of Vector.
func FeatureNames() []string {
	names := make([]string, NumFeatures)
	for i, f := range features {
		names[i] = f.name
	}
	return names
}

// Describe returns in plain words what a feature is, or "" if there is none of that name.
func Describe(name string) string {
	for _, f := range features {
		if f.name == name {
			return f.words
		}
	}
	return ""
}

// coarse rounds x to eight significant bits (the upper half of a float32), ties to even. What isn't
// a number above zero becomes 0.
func coarse(x float64) float32 { return expand(compact(x)) }

// compact returns the upper half of the float32 nearest to x.
func compact(x float64) uint16 {
	if !(x > 0) {
		return 0
	}
	x = min(x, 1e30)
	b := math.Float32bits(float32(x))
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// expand is the inverse of compact.
func expand(q uint16) float32 { return math.Float32frombits(uint32(q) << 16) }
