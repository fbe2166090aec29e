package journey

// Operator is how a criterion compares the text of a property with its values.
type Operator string

// The operators, as on the Genesys wire. Numeric ones never hold for what is no number.
const (
	ContainsAll    Operator = "containsAll"    // every value is part of the text
	ContainsAny    Operator = "containsAny"    // some value is part of the text
	NotContainsAll Operator = "notContainsAll" // not every value is part of the text
	NotContainsAny Operator = "notContainsAny" // no value is part of the text
	Equal          Operator = "equal"          // the text is one of the values
	NotEqual       Operator = "notEqual"       // the text is none of the values
	Greater        Operator = "greaterThan"
	GreaterOrEqual Operator = "greaterThanOrEqual"
	Less           Operator = "lessThan"
	LessOrEqual    Operator = "lessThanOrEqual"
	StartsWith     Operator = "startsWith" // the text starts with some value
	EndsWith       Operator = "endsWith"   // the text ends with some value
)

// Valid tells whether o is one of the operators.
func (o Operator) Valid() bool {
	switch o {
	case ContainsAll, ContainsAny, NotContainsAll, NotContainsAny, Equal, NotEqual,
		Greater, GreaterOrEqual, Less, LessOrEqual, StartsWith, EndsWith:
		return true
	}
	return false
}
